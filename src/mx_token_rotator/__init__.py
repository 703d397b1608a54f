"""Keeps movieXchange access tokens fresh in AWS Secrets Manager.

The rooms, in reading order:

refresh       the story, and the two roles it needs (Vault, MovieXchange)
tokens        credentials and access tokens, and the rules about them; pure
errors        what can go wrong, and who must act; a drawn tree
rotation      Secrets Manager's own rotation, told by the story
deadline      the invocation's end, beyond which nothing is waited for
vault         Secrets Manager
moviexchange  movieXchange over HTTPS
session       HTTP with a peer that may send anything
settings      the environment
handler       Lambda's door: wiring, logging, metrics

For applications and operators, and not shipped to Lambda:

reader        both headers of movieXchange in one line of an application
stack         a deployed stack: what is known of it, and what is asked of it
__main__      the operator's door: `python -m mx_token_rotator`
"""
