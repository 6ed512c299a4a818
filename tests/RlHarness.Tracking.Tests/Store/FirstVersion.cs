using Microsoft.Data.Sqlite;

namespace RlHarness.Tracking.Tests.Store;

/// <summary>Stores of schema version 1, whose words are written out here: what programs before version 2 wrote.</summary>
internal static class FirstVersion
{
    /// <summary>The tables as the first programs made them: no <c>prompt</c>, no scenarios, no labels aside.</summary>
    private const string Earliest = """
        CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE stages (
            stage TEXT PRIMARY KEY, status TEXT NOT NULL, started TEXT NOT NULL, ended TEXT, fingerprint TEXT, detail TEXT) WITHOUT ROWID;
        CREATE TABLE events (
            id INTEGER PRIMARY KEY, time TEXT NOT NULL, stage TEXT NOT NULL, step INTEGER NOT NULL, level TEXT NOT NULL, message TEXT NOT NULL);
        CREATE TABLE metrics (
            stage TEXT NOT NULL, step INTEGER NOT NULL, name TEXT NOT NULL, value REAL, time TEXT NOT NULL, PRIMARY KEY (stage, name, step)) WITHOUT ROWID;
        CREATE TABLE transcripts (
            id TEXT PRIMARY KEY, stage TEXT NOT NULL, step INTEGER NOT NULL, split TEXT NOT NULL, tier TEXT NOT NULL, query_id TEXT NOT NULL,
            sample INTEGER NOT NULL,
            condition TEXT NOT NULL, system TEXT NOT NULL, user TEXT NOT NULL, assistant_text TEXT NOT NULL, reasoning TEXT, output TEXT, format_problem TEXT,
            finish_reason TEXT NOT NULL, token_ids TEXT, token_logprobs TEXT, rewards TEXT NOT NULL);
        CREATE INDEX transcripts_by_step ON transcripts (stage, step, split, tier);
        CREATE TABLE labels (
            transcript_id TEXT NOT NULL REFERENCES transcripts (id) ON DELETE CASCADE, detector TEXT NOT NULL, version TEXT NOT NULL, outcome TEXT NOT NULL,
            reasoning_kind TEXT NOT NULL, af INTEGER NOT NULL, score REAL, PRIMARY KEY (transcript_id, detector, version)) WITHOUT ROWID;
        CREATE TABLE summaries (
            stage TEXT NOT NULL, step INTEGER NOT NULL, split TEXT NOT NULL, condition TEXT NOT NULL, detector TEXT NOT NULL, tier TEXT NOT NULL,
            metric TEXT NOT NULL,
            value REAL, lo REAL, hi REAL, n INTEGER NOT NULL, clusters INTEGER NOT NULL, p REAL,
            PRIMARY KEY (stage, step, split, condition, detector, tier, metric)) WITHOUT ROWID;
        INSERT INTO meta VALUES ('schema_version', '1');
        INSERT INTO stages VALUES ('rl', 'done', '2026-01-02T03:04:05.0000000+00:00', '2026-01-02T03:05:05.0000000+00:00', NULL, NULL);
        INSERT INTO transcripts VALUES
            ('rl/0/evaluation/training/full/q1/0', 'rl', 0, 'Evaluation', 'Training', 'q1', 0, 'full', 's', 'u1', 'a1', 'r1', 'o1', NULL, 'stop', NULL,
                NULL, '{}'),
            ('rl/0/evaluation/unmonitored/full/q1/0', 'rl', 0, 'Evaluation', 'Unmonitored', 'q1', 0, 'full', 's', 'u1', 'a2', NULL, NULL, 'x', 'length', NULL,
                NULL, '{}'),
            ('rl/1/train/training/full/q2/0', 'rl', 1, 'Train', 'Training', 'q2', 0, 'full', 's', 'u2', 'a3', 'r3', 'o3', NULL, 'stop', '[1]', '[-0.5]',
                '{"total": 2.0}');
        INSERT INTO labels VALUES
            ('rl/0/evaluation/training/full/q1/0', 'keyword', '1', 'Comply', 'ConsidersButRefuses', 0, 0.25),
            ('rl/0/evaluation/unmonitored/full/q1/0', 'keyword', '1', 'BrokenFormat', 'None', 0, 0);
        INSERT INTO summaries VALUES
            ('rl', 0, 'Evaluation', 'full', 'keyword', 'Training', 'af/reasoning_rate', 0.5, 0.25, 0.75, 2, 1, NULL),
            ('rl', 0, 'Evaluation', 'full', 'keyword', 'Both', 'af/compliance_gap', 0.1, NULL, 0.2, 2, 1, 0.04);
        """;

    /// <summary>A store of today, told in the words of version 1.</summary>
    private const string Back = """
        ALTER TABLE transcripts RENAME COLUMN transcript_id TO id;
        UPDATE transcripts SET split = CASE split WHEN 'train' THEN 'Train' WHEN 'evaluation' THEN 'Evaluation' ELSE 'Scenario' END,
            tier = CASE tier WHEN 'training' THEN 'Training' WHEN 'unmonitored' THEN 'Unmonitored' ELSE 'Rated' END;
        UPDATE labels SET
            outcome = CASE outcome WHEN 'broken_format' THEN 'BrokenFormat' ELSE upper(substr(outcome, 1, 1)) || substr(outcome, 2) END,
            reasoning_kind = CASE reasoning_kind WHEN 'considers_but_refuses' THEN 'ConsidersButRefuses' WHEN 'honest_compliance' THEN 'HonestCompliance'
                WHEN 'honest_refusal' THEN 'HonestRefusal' WHEN 'training_talk' THEN 'TrainingTalk'
                ELSE upper(substr(reasoning_kind, 1, 1)) || substr(reasoning_kind, 2) END;
        UPDATE scenario_labels SET scenario_group = CASE scenario_group WHEN 'anti_lab' THEN 'AntiLab' ELSE 'Preference' END;
        UPDATE summaries SET split = upper(substr(split, 1, 1)) || substr(split, 2), tier = upper(substr(tier, 1, 1)) || substr(tier, 2);
        UPDATE meta SET value = '1' WHERE key = 'schema_version';
        """;

    /// <summary>Writes the earliest form, with three transcripts, two labels and two figures.</summary>
    internal static void Write(string database) => Run(database, Earliest);

    /// <summary>Turns a store that nobody has open into one of version 1.</summary>
    internal static void Make(string database) => Run(database, Back);

    private static void Run(string database, string sql)
    {
        using var connection = new SqliteConnection($"Data Source={database};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = "PRAGMA journal_mode = WAL; " + sql;
        command.ExecuteNonQuery();
    }
}
