"""Views that know no service: each shows data and reports what the user did."""
