"""Calls the OCAPI of a cinema chain, which is a host of its own."""

import requests

from moviexchange_auth.requests import MovieXchangeAuth

session = requests.Session()
session.auth = MovieXchangeAuth("vista/production/tokens/Web", api_hosts="digital-api.example.com")
sites = session.get("https://digital-api.example.com/ocapi/v1/sites", timeout=10)
print(sites.text)
