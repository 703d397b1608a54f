"""The tests: of the function, the stack, the reader, the operator's tool, and the project as a whole."""
