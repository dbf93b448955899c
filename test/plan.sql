-- EXPLAIN as every version of PostgreSQL would put it.
CREATE FUNCTION plan(query text, options text DEFAULT 'COSTS OFF') RETURNS TABLE (plan text) LANGUAGE plpgsql AS $$
BEGIN
	FOR plan IN EXECUTE format('EXPLAIN (%s) %s', options, query) LOOP
		-- 18: disabled nodes, buffers whenever it is analysed
		plan := regexp_replace(plan, '\n *"Disabled": (true|false),', '', 'g');
		CONTINUE WHEN plan ~ '^ *(Disabled: true|Buffers: .*|Planning:)$';
		-- 18: fractions of rows
		plan := regexp_replace(plan, 'actual rows=[0-9.]+ loops', 'actual loops');
		-- 17: what an InitPlan returns has another name
		plan := replace(regexp_replace(plan, ' \(returns \$0\)', ''), '(InitPlan 1).col1', '$0');
		-- 16: the sides of conditions that equality implies
		plan := replace(plan, 'dead.source_offset = event_offset', 'event_offset = dead.source_offset');
		RETURN NEXT;
	END LOOP;
END $$;
