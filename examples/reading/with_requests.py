"""Calls movieXchange's API with requests."""

import requests

from moviexchange_auth.requests import MovieXchangeAuth

session = requests.Session()
session.auth = MovieXchangeAuth("moviexchange/staging/tokens/_Website")
chains = session.get("https://staging-api.moviexchange.com/mxs/reference-data/v1/cinema-chains", timeout=10)
print(chains.text)
