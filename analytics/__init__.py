"""Reports and dashboards: reads of everything, written once as sets, owned by nobody below.

Nothing here changes a row and nothing imports it but the doors. Sums are taken from the same rows
that the ledgers tie to; a statement that could be chance is never made without its interval.
"""
