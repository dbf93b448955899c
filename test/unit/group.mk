# Unit test of the group protocol's pure steps; for the Makefile here to
# include, which then adds check-group to what "check" needs.

$(BUILD)/assignor_test: assignor_test.c check.h $(SRC)/group/assignor.h \
		$(SRC)/group/assignor.c $(SRC)/group/reconcile.c Makefile group.mk
	@mkdir -p $(BUILD)
	$(CC) $(ALL_CFLAGS) $(SANITIZE) -o $@ $< $(SRC)/group/assignor.c \
		$(SRC)/group/reconcile.c

check-group: $(BUILD)/assignor_test
	$(BUILD)/assignor_test

.PHONY: check-group
