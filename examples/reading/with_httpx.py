"""Calls movieXchange's API with httpx, under asyncio; httpx.Client takes the same auth."""

import asyncio

import httpx

from moviexchange_auth.httpx import MovieXchangeAuth


async def main() -> None:
    """Print the cinema chains."""
    async with httpx.AsyncClient(auth=MovieXchangeAuth("moviexchange/staging/tokens/_Website"), timeout=10) as client:
        chains = await client.get("https://staging-api.moviexchange.com/mxs/reference-data/v1/cinema-chains")
        print(chains.text)


asyncio.run(main())
