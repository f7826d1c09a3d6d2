"""Catching the attention of somebody who looks elsewhere: a sound, the page's title, a notification of the browser.

It is HTML with a handler of its own, as the buttons that copy, so it works wherever the core widgets do.
"""

from __future__ import annotations

import uuid

import ipywidgets

from colabpanel.widgets.basics import escape, styled

__all__ = ["Notifier", "permission_button"]

_PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"

# A page that is opened again draws the widget again: what it has told once, it does not tell twice.
_TELL = """
const d=this.dataset;
if(sessionStorage.colabpanelTold===d.id)return;
sessionStorage.colabpanelTold=d.id;
if(d.sound){try{
 const a=new AudioContext();
 [660,880].forEach((f,i)=>{const o=a.createOscillator(),g=a.createGain();o.frequency.value=f;g.gain.value=0.08;
 o.connect(g).connect(a.destination);o.start(a.currentTime+i*0.18);o.stop(a.currentTime+i*0.18+0.15)});
 setTimeout(()=>a.close(),1000)
}catch(e){}}
if(d.notify&&'Notification' in window&&Notification.permission==='granted'){
 try{new Notification(d.title,{body:d.text})}catch(e){}}
if(document.hidden||!document.hasFocus()){
 const old=document.title;document.title='\\u25CF '+d.text;
 window.addEventListener('focus',()=>{document.title=old},{once:true})
}
"""

_ASK = """
if(!('Notification' in window)){this.textContent='This page cannot show notifications';return}
Notification.requestPermission().then(p=>{
 this.textContent=p==='granted'?'Notifications are allowed':'Notifications are blocked in this browser'})
"""


class Notifier(ipywidgets.HTML):
    """Shows nothing; tells the browser what to do when something has happened."""

    def __init__(self) -> None:
        super().__init__()
        styled(self, "cp-notifier")

    def tell(self, title: str, text: str, *, sound: bool, notification: bool) -> None:
        """Make the page's title say it while nobody looks at it, and play a sound or notify as wished."""
        switches = (' data-sound="1"' if sound else "") + (' data-notify="1"' if notification else "")
        self.value = (
            f'<img src="{_PIXEL}" alt="" data-id="{uuid.uuid4().hex}" data-title="{escape(title)}" '
            f'data-text="{escape(text)}"{switches} onload="{escape(_in_function(_TELL))}">'
        )


def permission_button(caption: str) -> str:
    """Return the HTML of a button that asks the browser for leave to show notifications."""
    return f'<button type="button" class="cp-copy" onclick="{escape(_in_function(_ASK))}">{escape(caption)}</button>'


def _in_function(code: str) -> str:
    """Return a handler in one line, in which ``return`` ends it and ``this`` is the element."""
    lines = "".join(line.strip() for line in code.splitlines())
    return f"(function(){{{lines}}}).call(this)"
