"""Objects of the standard library that pickle would make through a class with attributes to change."""

from __future__ import annotations

import types
import uuid
import zoneinfo

from colabpanel.services.snapshots.capture import Capture
from colabpanel.services.snapshots.codecs._base import Codec, LeafReader, Reduce, built

__all__ = ["CODEC"]


def _take_uuid(value: uuid.UUID, _capture: Capture) -> object:
    return built("uuid.uuid", value.hex)


def _take_zone(zone: zoneinfo.ZoneInfo, _capture: Capture) -> object:
    return built("zoneinfo.zone", zone.key) if zone.key else NotImplemented


def _take_namespace(value: types.SimpleNamespace, _capture: Capture) -> object:
    return (*built("types.namespace"), vars(value))  # apart from making it, for it may hold itself


_REDUCERS: dict[type, Reduce] = {
    uuid.UUID: _take_uuid,
    zoneinfo.ZoneInfo: _take_zone,
    types.SimpleNamespace: _take_namespace,
}


def _build_uuid(_reader: LeafReader, digits: str) -> uuid.UUID:
    return uuid.UUID(hex=digits)


def _build_namespace(_reader: LeafReader, values: dict[str, object] | None = None) -> types.SimpleNamespace:
    return types.SimpleNamespace(**(values or {}))  # what it holds was given here by the first versions


def _build_zone(_reader: LeafReader, key: str) -> zoneinfo.ZoneInfo:
    return zoneinfo.ZoneInfo(key)


CODEC = Codec("uuid", _REDUCERS.get, {"uuid": _build_uuid, "zone": _build_zone, "namespace": _build_namespace})
