-- CRC-32C. A function crc32c() would be hidden by that of PostgreSQL 18.
CREATE FUNCTION castagnoli(b bytea) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    crc bigint := 4294967295;
BEGIN
    FOR i IN 0 .. length(b) - 1 LOOP
        crc := crc # get_byte(b, i);
        FOR k IN 1 .. 8 LOOP
            crc := CASE WHEN crc & 1 = 1 THEN (crc >> 1) # 2197175160 ELSE crc >> 1 END;
        END LOOP;
    END LOOP;
    RETURN crc # 4294967295;
END $$;
-- "123456789" is the check value of every description of CRC-32C
SELECT to_hex(castagnoli('123456789'));
