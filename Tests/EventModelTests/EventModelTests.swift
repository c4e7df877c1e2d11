// EventModelTests
