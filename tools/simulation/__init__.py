"""A stack in virtual time: years of faults, and what must hold throughout them.

The refresh logic, its Secrets Manager class and the parser of events run as they ship; Secrets Manager's API,
movieXchange, the queue, applications and people are simulated. One seed is one history.

engine           virtual time, and who waits in it
secrets_manager  Secrets Manager as its API reference describes it, with reads that lag
moviexchange     a movieXchange account, and the answers of its token service and its API
faults           what goes wrong, and when; drawn from a seed
sqs              the FIFO queue
invocation       one invocation of the function, which may be slow or be killed at any call
applications     readers of a token, which cache it and report what the API refuses
stack            a deployed stack with its schedule, its applications and its people
invariants       what must hold, each with its name
limits           how often the function may log in, by what came of it
metrics          what an invocation emits, by the handler's own rules
alarms           CloudWatch's alarms of the template
watch            whether the alarms ring when they should
trace            what happened, in one page
sometimes        what must have occurred in enough years
promise          how much trouble an application does not notice, computed from the settings
runner           one history for each seed
figures          the table and the diagram of an outage, for the docs
__main__         many histories with tables of what happened in them, or the trace of one
"""
