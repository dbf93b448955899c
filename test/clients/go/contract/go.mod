module eventlog.test/contract

go 1.19
