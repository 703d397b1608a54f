"""The real story in virtual time: what it survives, and how often.

Everything of the product runs as it ships but the handler and the settings; Secrets Manager, movieXchange, EventBridge,
Lambda, apps and people are in memory. One seed gives one history.

engine           virtual time, and who waits in it
secrets_manager  Secrets Manager by its documentation, whose reads lag
moviexchange     a movieXchange account, and the session that reaches it
weather          what goes wrong, and when; drawn from a seed
invocation       one invocation of the function, which may be slow, or crash at any call
apps             those who read tokens, keep them for a while, and report what is refused
world            a stack in use: its wake-ups, its apps and its people
invariants       what must hold whatever happens, each with its name
promise          how much of what goes wrong an app does not notice, from the settings
runner           many years of it, one world a seed
figures          what is promised, and what an outage costs, for the docs
dashboard        the stack's dashboard after a few eventful days, for the docs
__main__         all of it, with a table of what was thrown and what was lost
"""
