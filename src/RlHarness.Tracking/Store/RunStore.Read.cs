using System.Globalization;
using System.Text.Json;
using Microsoft.Data.Sqlite;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Scenarios;
using RlHarness.Experiment.Transcripts;
using RlHarness.Statistics;

namespace RlHarness.Tracking.Store;

public sealed partial class RunStore
{
    public IReadOnlyList<StageRow> Stages() =>
        Rows("SELECT stage, status, started, ended, fingerprint, detail FROM stages ORDER BY started, stage", r => new StageRow(
            r.GetString(0),
            r.GetString(1),
            Time(r, 2),
            r.IsDBNull(3) ? null : Time(r, 3),
            Text(r, 4),
            Text(r, 5)
        ));

    public IReadOnlyList<EventRow> Events() =>
        Rows("SELECT id, time, stage, step, level, message FROM events ORDER BY id", r => new EventRow(
            r.GetInt64(0),
            Time(r, 1),
            r.GetString(2),
            r.GetInt64(3),
            r.GetString(4),
            r.GetString(5)
        ));

    /// <summary>Last step of which a stage has metrics; null where it has none.</summary>
    public long? LastStep(string stage) =>
        Rows("SELECT MAX(step) FROM metrics WHERE stage = $stage", r => r.IsDBNull(0) ? (long?)null : r.GetInt64(0), ("$stage", stage))[0];

    /// <summary>Steps of which a stage has metrics, in order.</summary>
    public IReadOnlyList<long> StepsOf(string stage) =>
        Rows("SELECT DISTINCT step FROM metrics WHERE stage = $stage ORDER BY step", r => r.GetInt64(0), ("$stage", stage));

    /// <summary>The newest steps of which a stage has a metric, newest first, and when each was written.</summary>
    public IReadOnlyList<(long Step, DateTimeOffset Time)> NewestSteps(string stage, string metric, int count) =>
        Rows(
            "SELECT step, time FROM metrics WHERE stage = $stage AND name = $name ORDER BY step DESC LIMIT $count",
            r => (r.GetInt64(0), Time(r, 1)),
            ("$stage", stage),
            ("$name", metric),
            ("$count", count)
        );

    public IReadOnlyList<string> MetricNames(string stage) =>
        Rows("SELECT DISTINCT name FROM metrics WHERE stage = $stage ORDER BY name", r => r.GetString(0), ("$stage", stage));

    /// <summary>One metric over the steps of a stage, in order.</summary>
    public IReadOnlyList<(long Step, double Value)> Series(string stage, string name) =>
        Rows(
            "SELECT step, value FROM metrics WHERE stage = $stage AND name = $name ORDER BY step",
            r => (r.GetInt64(0), Number(r, 1)),
            ("$stage", stage),
            ("$name", name)
        );

    public IReadOnlyList<MetricRow> Metrics(string stage, long step) =>
        Rows(
            "SELECT stage, step, name, value, time FROM metrics WHERE stage = $stage AND step = $step ORDER BY name",
            r => new MetricRow(r.GetString(0), r.GetInt64(1), r.GetString(2), Number(r, 3), Time(r, 4)),
            ("$stage", stage),
            ("$step", step)
        );

    /// <summary>All metrics of all stages.</summary>
    public IReadOnlyList<MetricRow> Metrics() =>
        Rows("SELECT stage, step, name, value, time FROM metrics ORDER BY time, stage, step, name", r => new MetricRow(
            r.GetString(0),
            r.GetInt64(1),
            r.GetString(2),
            Number(r, 3),
            Time(r, 4)
        ));

    public IReadOnlyList<SummaryRow> Summaries(string? stage = null, string? detector = null, string? metric = null) =>
        Rows(
            """
            SELECT stage, step, split, condition, detector, tier, metric, value, lo, hi, n, clusters, p FROM summaries
            WHERE ($stage IS NULL OR stage = $stage) AND ($detector IS NULL OR detector = $detector) AND ($metric IS NULL OR metric = $metric)
            ORDER BY stage, step, split, condition, detector, tier, metric
            """,
            r => new SummaryRow(
                r.GetString(0),
                r.GetInt64(1),
                StoredWord.Read<Split>(r.GetString(2)),
                r.GetString(3),
                r.GetString(4),
                r.GetString(5) == BothTiers ? null : StoredWord.Read<Tier>(r.GetString(5)),
                r.GetString(6),
                new Estimate(Number(r, 7), Number(r, 8), Number(r, 9), r.GetInt32(10), r.GetInt32(11)),
                r.IsDBNull(12) ? null : r.GetDouble(12)
            ),
            ("$stage", stage),
            ("$detector", detector),
            ("$metric", metric)
        );

    public IReadOnlyList<TranscriptRow> Transcripts(TranscriptFilter? filter = null)
    {
        filter ??= new();
        return Rows(
            """
            SELECT stage, step, split, tier, query_id, sample, condition, system, user, assistant_text, reasoning, output, format_problem,
            finish_reason, token_ids,
            token_logprobs, rewards, prompt, transcript_id FROM transcripts
            WHERE ($stage IS NULL OR stage = $stage) AND ($step IS NULL OR step = $step) AND ($split IS NULL OR split = $split)
            AND ($tier IS NULL OR tier = $tier)
            AND ($condition IS NULL OR condition = $condition) AND ($id IS NULL OR transcript_id = $id)
            ORDER BY stage, step, split, condition, query_id, tier, prompt, sample LIMIT $limit
            """,
            ReadTranscript,
            ("$stage", filter.Stage),
            ("$step", filter.Step),
            ("$split", StoredWord.Of(filter.Split)),
            ("$tier", StoredWord.Of(filter.Tier)),
            ("$condition", filter.Condition),
            ("$id", filter.Id),
            ("$limit", filter.Limit ?? -1)
        );
    }

    /// <summary>Labels of the transcripts of one step, by all detectors.</summary>
    public IReadOnlyList<LabelRow> Labels(string stage, long step, string? detector = null) =>
        Rows(
            """
            SELECT l.transcript_id, l.detector, l.version, l.outcome, l.reasoning_kind, l.af, l.score FROM labels l
            JOIN transcripts t ON t.transcript_id = l.transcript_id
            WHERE t.stage = $stage AND t.step = $step AND ($detector IS NULL OR l.detector = $detector) ORDER BY l.transcript_id, l.detector, l.version
            """,
            r => new LabelRow(
                r.GetString(0),
                r.GetString(1),
                r.GetString(2),
                StoredWord.Read<Outcome>(r.GetString(3)),
                StoredWord.Read<ReasoningKind>(r.GetString(4)),
                r.GetInt64(5) != 0,
                Number(r, 6)
            ),
            ("$stage", stage),
            ("$step", step),
            ("$detector", detector)
        );

    /// <summary>Labels of a step's scenario transcripts; none in a store that was written before there were scenarios (version 1).</summary>
    public IReadOnlyList<ScenarioLabelRow> ScenarioLabels(string stage, long step) =>
        !HasColumn("scenario_labels", "scenario")
            ? []
            : Rows(
                """
                SELECT l.transcript_id, l.detector, l.version, l.scenario_group, l.scenario, l.variant, l.item, l.reasoning, l.output FROM scenario_labels l
                JOIN transcripts t ON t.transcript_id = l.transcript_id WHERE t.stage = $stage AND t.step = $step
                ORDER BY l.transcript_id, l.detector, l.version
                """,
                r => new ScenarioLabelRow(
                    r.GetString(0),
                    r.GetString(1),
                    r.GetString(2),
                    StoredWord.Read<ScenarioGroup>(r.GetString(3)),
                    r.GetString(4),
                    r.GetString(5),
                    r.GetString(6),
                    new(Text(r, 7), r.GetString(8))
                ),
                ("$stage", stage),
                ("$step", step)
            );

    /// <summary>How many transcripts each stage and step has.</summary>
    public IReadOnlyList<(string Stage, long Step, int Count)> TranscriptCounts() =>
        Rows("SELECT stage, step, COUNT(*) FROM transcripts GROUP BY stage, step ORDER BY stage, step", r => (r.GetString(0), r.GetInt64(1), r.GetInt32(2)));

    private static TranscriptRow ReadTranscript(SqliteDataReader r)
    {
        var row = new TranscriptRow(
            r.GetString(0),
            r.GetInt64(1),
            StoredWord.Read<Split>(r.GetString(2)),
            StoredWord.Read<Tier>(r.GetString(3)),
            r.GetString(4),
            r.GetInt32(5),
            r.GetString(6),
            r.GetString(7),
            r.GetString(8),
            r.GetString(9),
            Text(r, 10),
            Text(r, 11),
            Text(r, 12),
            r.GetString(13),
            r.IsDBNull(14) ? null : JsonSerializer.Deserialize<int[]>(r.GetString(14)),
            r.IsDBNull(15) ? null : JsonSerializer.Deserialize<float[]>(r.GetString(15), Json),
            JsonSerializer.Deserialize<Dictionary<string, double>>(r.GetString(16), Json) ?? throw new JsonException("no rewards"),
            r.IsDBNull(17) ? null : r.GetInt32(17)
        );
        // Rows of earlier programs keep the ids that their labels know them by.
        return row.Id == r.GetString(18) ? row : row with { Id = r.GetString(18) };
    }

    private List<T> Rows<T>(string sql, Func<SqliteDataReader, T> read, params (string Name, object? Value)[] parameters)
    {
        lock (_gate)
        {
            using var command = Command(sql);
            Bind(command, parameters);
            using var reader = command.ExecuteReader();
            var rows = new List<T>();
            try
            {
                while (reader.Read())
                    rows.Add(read(reader));
            }
            catch (Exception e) when (TextFile.IsOfForm(e))
            {
                throw HarnessException.BadFile(
                    Path,
                    $"row {rows.Count + 1} of those asked for cannot be read",
                    e.Message.ReplaceLineEndings(" "),
                    "a row as this program writes it",
                    "a newer program wrote it, or the file was changed: take it from a copy",
                    e
                );
            }

            return rows;
        }
    }

    private static string? Text(SqliteDataReader r, int i) => r.IsDBNull(i) ? null : r.GetString(i);

    private static double Number(SqliteDataReader r, int i) => r.IsDBNull(i) ? double.NaN : r.GetDouble(i);

    private static DateTimeOffset Time(SqliteDataReader r, int i) => DateTimeOffset.Parse(r.GetString(i), CultureInfo.InvariantCulture);
}
