"""Distances between points on the ground, in metres. Pure rules.

Within a few hundred kilometres the ground is flat enough: sorting uses plain arithmetic that every
database has, and what people read uses the great circle.
"""

from math import asin, cos, radians, sin, sqrt

EARTH = 6_371_008.8
METRES_PER_DEGREE = 111_195.0


def great_circle(lat1: float, lng1: float, lat2: float, lng2: float) -> int:
    """Metres along the ground, rounded."""
    north = sin(radians(lat2 - lat1) / 2) ** 2
    east = cos(radians(lat1)) * cos(radians(lat2)) * sin(radians(lng2 - lng1) / 2) ** 2
    return round(2 * EARTH * asin(min(1.0, sqrt(north + east))))


def metres_per_degree_east(lat: float) -> float:
    """How long a degree of longitude is at a latitude; never zero, so that boxes stay finite."""
    return METRES_PER_DEGREE * max(0.01, cos(radians(lat)))


def box(lat: float, lng: float, metres: float) -> tuple[float, float, float, float]:
    """South, north, west and east of everything within `metres`."""
    north = metres / METRES_PER_DEGREE
    east = metres / metres_per_degree_east(lat)
    return lat - north, lat + north, lng - east, lng + east
