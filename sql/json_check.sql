-- What produce() takes for JSON is what PostgreSQL takes for JSON, to the byte: plain documents, each changed in each place.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS eventlog;
RESET client_min_messages;
SELECT create_topic('json_check', 1, value_type => 'json');
CREATE TABLE document (doc text);
INSERT INTO document VALUES ('{"id": 17, "at":-0.5e+10,"tags":["a","b\n\"c"],"ok":true,"none":null,"in":{"x":{}},"list":[]}'),
	(' [1, 2.25, -3e-7, 0, 10, "äöü€", "\\", "\/", "a long string that is read eight bytes at a time", false ] '),
	('"12345678\t12345678\f"'), ('-0'), ('1E5'), ('null'), ('[[[{"a":[{}]}]]]'), ('{"":""}'), ('"\u00e4\ud83d\ude00"'),
	(''), (' '), (repeat('[', 64) || repeat(']', 64)), (repeat('[', 65) || repeat(']', 65)), (repeat('{"a":', 70) || '1' || repeat('}', 70)),
	('01'), ('1.'), ('.5'), ('+1'), ('1e'), ('tru'), ('nul'), ('[1,]'), ('{"a":1,}'), ('{"a"}'), ('{a:1}'), ('[1 2]'), ('"a' || chr(9) || '"'), ('"\x"'), ('"\'), ('{}}');
-- strings and numbers longer than what is looked at at once, and ends of them in each place of it
INSERT INTO document VALUES ('{"long":"' || repeat('x', 150) || '","n":' || repeat('7', 130) || '.' || repeat('1', 70) || '}'), ('{"open":"' || repeat('x', 200) || '}'),
	('["' || repeat('a\n', 60) || '"]'), (repeat(' ', 100) || '{ "a" : [ ] }' || repeat(' ', 100)), ('["' || repeat('ä', 40) || '"]'), ('[' || repeat('1', 70)), ('"' || repeat('x', 70) || ']');
INSERT INTO document SELECT format('["%s\"y",12,-3.5e1,true]', repeat('x', n)) FROM generate_series(0, 70) n;
-- each with a byte left out, doubled or replaced
CREATE TABLE candidate AS
SELECT doc FROM document
UNION SELECT left(doc, i - 1) || substr(doc, i + 1) FROM document, generate_series(1, length(doc)) i
UNION SELECT left(doc, i) || substr(doc, i) FROM document, generate_series(1, length(doc)) i
UNION SELECT left(doc, i - 1) || c || substr(doc, i + 1) FROM document, generate_series(1, length(doc)) i,
	unnest(string_to_array(E'"|\\|{|}|[|]|,|:|0|-|.|e|n| |\t|\x01|\x7f|ä', '|')) c WHERE length(doc) < 110;
CREATE FUNCTION takes(statement text, doc text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement USING doc;
	RETURN true;
EXCEPTION WHEN invalid_text_representation THEN
	RETURN false;
END $$;
SELECT count(*) > 4000 AS many, count(*) FILTER (WHERE theirs) > 700 AS json, count(*) FILTER (WHERE NOT theirs) > 2000 AS not_json,
       count(*) FILTER (WHERE theirs <> ours) AS differ
  FROM (SELECT takes('SELECT $1::json', doc) AS theirs, takes('SELECT produce(''json_check'', NULL::text, $1)', doc) AS ours FROM candidate) t;
SELECT count(*) FROM (SELECT doc FROM candidate WHERE takes('SELECT $1::json', doc) EXCEPT SELECT value::text FROM json_check) d;
SELECT count(*) FROM (SELECT value::text FROM json_check EXCEPT SELECT doc FROM candidate) d;
-- what is wrong is said as ever
SELECT produce('json_check', NULL::text, '{"a": 1,}');
SELECT drop_topic('json_check');
DROP TABLE document, candidate;
DROP FUNCTION takes;
