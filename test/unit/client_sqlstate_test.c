/*-------------------------------------------------------------------------
 *
 * client_sqlstate_test.c
 *	  What programs do about an error.
 *
 * IDENTIFICATION
 *	  test/unit/client_sqlstate_test.c
 *
 *-------------------------------------------------------------------------
 */
#include "check.h"
#include "client/sqlstate.h"

static void
check_actions(ClientAction action, const char *codes)
{
	char	   *list = strdup(codes);
	char	   *rest = list;
	char	   *code;

	while ((code = next_field(&rest, ' ')) != NULL)
		if (!CHECK(client_sqlstate_action(code) == action))
			printf("%s: %s\n", code, client_action_name(client_sqlstate_action(code)));
	free(list);
}

int
main(void)
{
	check_actions(CLIENT_RETRY, "08000 08001 08003 08006 25006 26000 40000 40001 40003 40P01 53000 53100 53200 53300 "
				  "55006 55P03 57014 57P01 57P02 57P03 57P05 58000 58030");
	check_actions(CLIENT_FENCED, "40L01 EL001 EL002");
	check_actions(CLIENT_FAULT, "08P01 0A000 22000 22001 22004 22023 22P02 23502 23505 23514 40002 42501 42704 42P01 54000 55000 "
				  "EL003 EL004 P0001");
	check_actions(CLIENT_STOP, "28000 28P01 3D000 42883 57P04 58P01 EL005 XX000 XX001 F0000 ZZZZZ 00000");
	CHECK(client_sqlstate_action("") == CLIENT_STOP);

	CHECK(client_sqlstate_reconnects("25006"));
	CHECK(client_sqlstate_reconnects("26000"));
	CHECK(!client_sqlstate_reconnects("40001"));

	/* a commit that waited for a standby when the server was shut down */
	CHECK(client_sqlstate_unknown_outcome("57P01"));
	CHECK(client_sqlstate_unknown_outcome("08006"));
	CHECK(client_sqlstate_unknown_outcome("40003"));
	CHECK(!client_sqlstate_unknown_outcome("40001"));
	CHECK(!client_sqlstate_unknown_outcome("53100"));
	CHECK(!client_sqlstate_unknown_outcome("08P01"));

	CHECK_TEXT(client_action_name(CLIENT_RETRY), "retry");
	CHECK_TEXT(client_action_name(CLIENT_STOP), "stop");
	return check_summary();
}
