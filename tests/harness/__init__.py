"""What the tests, the soak run and the server benchmarks share: a server process, collections, brute-force answers."""
