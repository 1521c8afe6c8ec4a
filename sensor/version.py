"""The product's version, as the sensor tells it to the server."""

VERSION = "0.1.0"
