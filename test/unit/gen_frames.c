/*-------------------------------------------------------------------------
 *
 * gen_frames.c
 *	  Seeds for fuzz_messages: the frames of kafka_frames.txt, a file each.
 *
 *	gen_frames VECTORS FOLDER
 *
 * IDENTIFICATION
 *	  test/unit/gen_frames.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include "broker/protocol/codec.h"

#include "check.h"

static void
write_seed(const char *folder, int n, const char *first, size_t first_len,
		   const char *bytes, size_t len)
{
	char		path[4096];
	FILE	   *f;

	snprintf(path, sizeof(path), "%s/frame-%d", folder, n);
	f = fopen(path, "w");
	if (f == NULL || fwrite(first, 1, first_len, f) != first_len ||
		fwrite(bytes, 1, len, f) != len || fclose(f) != 0)
	{
		perror(path);
		exit(2);
	}
}

int
main(int argc, char **argv)
{
	static char text[1024 * 1024];
	FILE	   *f;
	int			n = 0;

	if (argc != 3)
	{
		fprintf(stderr, "usage: gen_frames VECTORS FOLDER\n");
		return 2;
	}
	f = open_vectors(argv[1], "kafka_frames.txt");
	while (next_line(f, text, sizeof(text)))
	{
		char	   *line = text;
		const KafkaApi *api = kafka_api((int16_t) atoi(next_field(&line, ' ')));
		int16_t		version = (int16_t) atoi(next_field(&line, ' '));
		bool		is_request = strcmp(next_field(&line, ' '), "request") == 0;
		size_t		len;
		char	   *bytes = from_hex(next_field(&line, ' '), &len);
		size_t		header = kafka_response_header_version(api, version) == 1 ? 5 : 4;

		if (is_request)
			write_seed(argv[2], n++, "\0", 1, bytes, len);
		else
		{
			char		first[3];

			first[0] = 2;
			first[1] = (char) (api - kafka_apis);
			first[2] = (char) (version - api->response->min_version);
			write_seed(argv[2], n++, first, sizeof(first), bytes + header, len - header);
		}
		free(bytes);
	}
	fclose(f);
	return 0;
}
