#!/usr/bin/env python3
"""Compare the broker's tables of messages with Kafka's own schemas.

usage: kafka_schemas.py TABLES KAFKA-CLIENTS.JAR...

TABLES is what test/unit/dump_messages prints; the schemas are common/message/*.json in the jars. For each version of a
message that the broker decodes, what is on the wire must be the same: fields in their order, types, which may be null, tags,
and the defaults. Each version must be in one of the jars at least; where it is in several, all must agree with the table.
Prints a line for each difference, and one "N passed, M failed" in which a version of a message in a jar counts as one.
"""
import json
import re
import sys
import zipfile

NEVER = 32767


def c_name(name):
    """Kafka's name of a field as the member's: TopicData, topicData: topic_data."""
    return re.sub(r'(?<=[a-z0-9])(?=[A-Z])', '_', name).lower()


def in_range(version, versions):
    """Whether a version lies in "3", "3-5", "3+" or "none"."""
    if versions in (None, 'none'):
        return False
    if versions.endswith('+'):
        return version >= int(versions[:-1])
    first, _, last = versions.partition('-')
    return int(first) <= version <= int(last or first)


def default_of(field, kind):
    """A schema's default as the table has it: numbers, and 0 or -1 (null) for what has a length."""
    text = str(field.get('default', ''))
    if kind.startswith('[]') or kind in ('string', 'bytes', 'records'):
        if text not in ('', 'null'):
            raise SystemExit(f'{field["name"]}: the table cannot express the default {text!r}')
        return -1 if text == 'null' else 0
    if kind == 'bool':
        return int(text == 'true')
    return int(text or '0', 0) if kind.startswith('int') else 0


def of_schema(fields, structs, version, path=''):
    """What a version has on the wire, flattened: lines of words."""
    for field in fields:
        if not in_range(version, field['versions']):
            continue
        base = field['type'].removeprefix('[]')
        children = field.get('fields') or structs.get(base)
        kind = field['type'].replace(base, 'struct') if children else field['type']
        tag = field['tag'] if in_range(version, field.get('taggedVersions')) else -1
        name = path + c_name(field['name'])
        yield (f'{name} {kind} nullable={int(in_range(version, field.get("nullableVersions")))} tag={tag} '
               f'compact={int(field.get("flexibleVersions") != "none")} default={default_of(field, kind)}')
        if children:
            yield from of_schema(children, structs, version, name + '.')


def of_table(fields, version, path=''):
    """The same of our table."""
    for field in fields:
        if not field['since'] <= version <= field['until']:
            continue
        name = path + field['name']
        yield (f'{name} {field["type"]} nullable={int(0 <= field["null_since"] <= version)} tag={field["tag"]} '
               f'compact={int(field["compact"])} default={field["default"]}')
        if 'fields' in field:
            yield from of_table(field['fields'], version, name + '.')


def read_schemas(path):
    """The schemas in a jar, by name. They are JSON with comments."""
    schemas = {}
    with zipfile.ZipFile(path) as jar:
        for entry in jar.namelist():
            if re.fullmatch(r'common/message/\w+\.json', entry):
                text = re.sub(r'^\s*//.*$', '', jar.read(entry).decode(), flags=re.M)
                schema = json.loads(text)
                schemas[schema['name']] = schema
    if not schemas:
        raise SystemExit(f'{path}: no schemas')
    return schemas


def compare(message, schema):
    """Yield each version that both know, and how they differ in it."""
    structs = {struct['name']: struct['fields'] for struct in schema.get('commonStructs', [])}
    for version in range(message['min'], message['max'] + 1):
        if not in_range(version, schema['validVersions']):
            continue
        differences = []
        if schema.get('apiKey', -1) != message['key']:
            differences.append(f'key {message["key"]}, not {schema.get("apiKey")}')
        if in_range(version, schema['flexibleVersions']) != (version >= message['flexible'] != NEVER):
            differences.append('one is flexible, the other is not')
        theirs = list(of_schema(schema['fields'], structs, version))
        ours = list(of_table(message['fields'], version))
        differences += [f'only in Kafka: {line}' for line in theirs if line not in ours]
        differences += [f'only in the table: {line}' for line in ours if line not in theirs]
        # tagged fields have no place in the order of the others
        if not differences and [x for x in theirs if 'tag=-1' in x] != [x for x in ours if 'tag=-1' in x]:
            differences.append('the order is not the same')
        yield version, differences


def main():
    tables, jars = sys.argv[1], sys.argv[2:]
    if not jars:
        raise SystemExit(__doc__)
    with open(tables, encoding='utf-8') as file:
        messages = [json.loads(line) for line in file]
    unseen = {(message['name'], version) for message in messages for version in range(message['min'], message['max'] + 1)}
    passed = failed = fields = 0
    for jar in jars:
        schemas = read_schemas(jar)
        for message in messages:
            for version, differences in compare(message, schemas[message['name']]):
                unseen.discard((message['name'], version))
                fields += len(list(of_table(message['fields'], version)))
                for difference in differences:
                    print(f'{message["name"]} {version} ({jar.rpartition("/")[2]}): {difference}')
                passed += not differences
                failed += bool(differences)
    for name, version in sorted(unseen):
        print(f'{name} {version}: in none of the jars')
        failed += 1
    print(f'{fields} fields compared')
    print(f'{passed} passed, {failed} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
