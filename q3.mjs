import { DuckDBInstance } from '@duckdb/node-api';
const run=process.argv[2]; const db = await DuckDBInstance.create(); const c = await db.connect();
const q=async s=>{const r = await c.runAndReadAll(s); for(const row of r.getRows()) console.log(row.map(String).join(' | '));console.log('--')};
await q(`select rule, role||case when role='duplicate' then ' '||lpad(cast(copies as varchar),3,'0') else '' end r, sum((verdict='TV')::int) tv, sum((verdict='MV')::int) mv, sum((verdict='RV')::int) rv, sum((verdict='none')::int) from '${run}/tables/labels/*.parquet' l join '${run}/tables/candidates/*.parquet' c using(key) group by 1,2 order by 1,2`);
await q(`select l.key, l.sample, rule, verdict, distance, training_index, family, left(l.evidence,150) from '${run}/tables/labels/*.parquet' l join '${run}/tables/candidates/*.parquet' c using(key) where role in ('held-out','other-twin') and verdict<>'none' and rule<>'reference'`);
await q(`select family, seed_index, variants, varying, box from '${run}/tables/families/*.parquet'`);
