"""The diagrams of the docs, drawn from the template and the code: `make diagrams`.

colors     for light and dark mode
shapes     boxes and arrows
flow       what starts the function, who reads and writes which secret, and who calls movieXchange
life       a token's lifetime: without faults, and with the longest outage that an application does not notice
sequence   a run, from the schedule to the publication
dashboard  the stack's dashboard after simulated days with an outage and a mistyped password
__main__   all of them, into docs; `make simulate` draws what an outage costs
"""
