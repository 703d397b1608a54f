"""What `make test-aws` needs: tests on a real AWS account, which leave nothing there.

account     the account, and what the contract makes there, found and removed by the beginning of its name
making      the roles, keys, rules and stacks of the contract
stand_in    movieXchange's stand-in, served until it is interrupted
__main__    asks, runs the tests, and cleans up
"""
