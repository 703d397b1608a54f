"""The rotator beside what people would do instead: what each costs, how fast it is, and where the limit lies.

The contestants are floor, timer, four_steps and every_app, and the product as `sam build` makes it.

far       loopback made as far away as AWS and movieXchange are, with every call counted
measure   each contestant behind the Lambda runtime API, in turns
cost      what was measured, as a month's bill; pure
report    tables for docs/performance.md
"""
