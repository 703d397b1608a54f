"""The rotator beside what people would write instead: how fast each is, what it costs, and what it does at its limits.

__main__     `make bench`: everything in turns, and the tables into the docs
contestants  what people would write instead
far          loopback made as far away as AWS and movieXchange are, with every call noted
scene        each contestant behind the Lambda runtime API, with its peers
scale        ours with many client IDs, and with many reports
flood        what many reports do to the schedule, in virtual time
cost         what is used, as a month's bill
report       tables for docs/performance.md
"""
