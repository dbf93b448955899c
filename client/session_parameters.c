/*-------------------------------------------------------------------------
 *
 * session_parameters.c
 *	  The parameters that a session connects with.
 *
 * The user's connection string comes first, with all that libpq makes of it.
 * What a program depends on is laid over it: it holds whatever roles, databases
 * and connection strings say.
 *
 * IDENTIFICATION
 *	  client/session_parameters.c
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "client/memory.h"
#include "client/session_parameters.h"

#define MAX_PARAMETERS 16

/* What may be given as a list, an item a host. */
typedef enum HostList
{
	HOST,
	HOSTADDR,
	PORT,
	NLISTS
} HostList;

static const char *const list_names[NLISTS] = {"host", "hostaddr", "port"};

struct ClientParameters
{
	char	   *error;			/* or NULL */
	char	   *conninfo;
	char	   *user;			/* or NULL */
	char	   *password;		/* or NULL */
	char	   *application_name;
	char	   *options;		/* the server's settings, as for the postgres
								 * command */
	char	   *lists[NLISTS];	/* NULL: not given */
	bool		rotated;
};

/* What sessions of all programs depend on. */
static const char *const base_settings[] = {
	"search_path", "pg_catalog",
	"statement_timeout", "0",
	"idle_in_transaction_session_timeout", "0",
	"idle_session_timeout", "0",
	"default_transaction_isolation", "read committed",

	/*
	 * a backend whose call has run out of time does not hold its locks for
	 * longer
	 */
	"client_connection_check_interval", "2s",
	NULL
};

static char *
copy(const char *text)
{
	return text ? client_strdup(text) : NULL;
}

/* Appends " -c name=value" for each. */
static char *
append_settings(char *options, const char *const *settings)
{
	for (; settings && settings[0]; settings += 2)
	{
		size_t		len = strlen(options);
		const char *p;
		char	   *to;

		options = client_realloc(options, len + strlen(settings[0]) + 2 * strlen(settings[1]) + 8);
		to = options + len;
		to = stpcpy(stpcpy(stpcpy(to, " -c "), settings[0]), "=");
		for (p = settings[1]; *p != '\0'; p++)
		{
			if (*p == ' ' || *p == '\\')
				*to++ = '\\';
			*to++ = *p;
		}
		*to = '\0';
	}
	return options;
}

ClientParameters *
client_parameters_new(const ClientSessionConfig *config)
{
	ClientParameters *parameters = client_alloc(sizeof(ClientParameters));
	char	   *error = NULL;
	PQconninfoOption *given = PQconninfoParse(config->conninfo, &error);
	PQconninfoOption *option;
	const char *options = "";
	int			i;

	if (given == NULL)
		parameters->error = client_strdup(error ? error : "out of memory");
	PQfreemem(error);
	for (option = given; option && option->keyword; option++)
	{
		if (option->val == NULL)
			continue;
		if (strcmp(option->keyword, "options") == 0)
			options = option->val;
		for (i = 0; i < NLISTS; i++)
			if (strcmp(option->keyword, list_names[i]) == 0)
				parameters->lists[i] = client_strdup(option->val);
	}
	parameters->options = append_settings(append_settings(client_strdup(options), base_settings), config->settings);
	PQconninfoFree(given);
	parameters->conninfo = client_strdup(config->conninfo);
	parameters->user = copy(config->user);
	parameters->password = copy(config->password);
	parameters->application_name = client_strdup(config->application_name);
	return parameters;
}

void
client_parameters_free(ClientParameters *parameters)
{
	int			i;

	for (i = 0; i < NLISTS; i++)
		free(parameters->lists[i]);
	free(parameters->error);
	free(parameters->conninfo);
	free(parameters->user);
	free(parameters->password);
	free(parameters->application_name);
	free(parameters->options);
	free(parameters);
}

const char *
client_parameters_error(const ClientParameters *parameters)
{
	return parameters->error;
}

/* One port may stand for all hosts: a list of one stays as it is. */
void
client_parameters_rotate(ClientParameters *parameters)
{
	int			i;

	for (i = 0; i < NLISTS; i++)
	{
		char	   *list = parameters->lists[i];
		char	   *rest = list ? strchr(list, ',') : NULL;
		char	   *rotated;

		if (rest == NULL)
			continue;
		*rest++ = '\0';
		rotated = client_alloc(strlen(list) + strlen(rest) + 2);
		stpcpy(stpcpy(stpcpy(rotated, rest), ","), list);
		free(list);
		parameters->lists[i] = rotated;
		parameters->rotated = true;
	}
}

PGconn *
client_parameters_connect(const ClientParameters *parameters)
{
	const char *names[MAX_PARAMETERS];
	const char *values[MAX_PARAMETERS];
	int			n = 0;
	int			i;

#define ADD(name, value) (names[n] = (name), values[n++] = (value))

	/*
	 * a server that is gone without a word is noticed in seconds, not hours,
	 * unless the user says otherwise
	 */
	ADD("keepalives_idle", "10");
	ADD("keepalives_interval", "5");
	ADD("keepalives_count", "3");
	ADD("tcp_user_timeout", "20000");

	/*
	 * "dbname" may be a whole connection string; later ones replace what is
	 * in it
	 */
	ADD("dbname", parameters->conninfo);
	for (i = 0; parameters->rotated && i < NLISTS; i++)
		if (parameters->lists[i])
			ADD(list_names[i], parameters->lists[i]);
	if (parameters->user)
		ADD("user", parameters->user);
	if (parameters->password)
		ADD("password", parameters->password);
	ADD("application_name", parameters->application_name);
	ADD("client_encoding", "UTF8");
	ADD("options", parameters->options);
	ADD(NULL, NULL);
#undef ADD
	return PQconnectStartParams(names, values, 1);
}
