"""The real story in virtual time: what it survives, and how often.

Everything of the product runs as it ships but the handler and the settings; Secrets Manager, movieXchange, EventBridge,
Lambda, apps and people are in memory. One seed gives one history.

engine           virtual time, and who waits in it
secrets_manager  Secrets Manager by its documentation, whose reads lag
moviexchange     a movieXchange account, and the session that reaches it
weather          what goes wrong, and when; drawn from a seed
invocation       one invocation of the function, which may be slow, or crash at any call
world            a stack in use: its wake-ups, its apps and its people
invariants       what must hold whatever happens, each with its name
promise          how much of what goes wrong an app does not notice, from the settings
runner           many years of it, with a table of what was thrown and what was lost
picture          what an outage costs, drawn for the docs
"""
