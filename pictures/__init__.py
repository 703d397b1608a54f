"""The pictures of the docs that show how it works, drawn from the template and the code: `make pictures`.

wakeups   what wakes the rotator, from the template
shapes    boxes and arrows
flow      who wakes whom, who reads and writes which secret, and who calls movieXchange
life      a token's life: all well, and the longest outage that an application does not notice
refresh   the steps of one refresh, and what ends it at each
__main__  all of them, into docs
"""
