// EventSourceTests
