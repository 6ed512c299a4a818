using System.Globalization;
using System.Text.Json;
using Microsoft.Data.Sqlite;
using RlHarness.Core.Errors;

namespace RlHarness.Tracking.Store;

/// <summary>
/// run.db: everything that a run measures. One writer; any number of readers beside it (WAL). A commit is on disk when the call returns
/// (<c>synchronous = FULL</c>). Numbers that are not a number are stored as NULL. Members may be called from several threads.
/// </summary>
public sealed partial class RunStore : IDisposable
{
    private readonly SqliteConnection _connection;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();

    private RunStore(string path, SqliteConnection connection, TimeProvider time) => (Path, _connection, _time) = (path, connection, time);

    public string Path { get; }

    /// <summary>Opens the store for writing, and creates it where there is none.</summary>
    public static RunStore Open(string path, TimeProvider? time = null) => Open(path, time ?? TimeProvider.System, readOnly: false);

    /// <summary>For reports and tables: never changes the store, and works while a run writes to it.</summary>
    public static RunStore OpenReadOnly(string path)
    {
        if (!File.Exists(path))
            throw HarnessException.BadFile(path, "no run store here", remedy: "give the folder of a run that was started");
        return Open(path, TimeProvider.System, readOnly: true);
    }

    /// <summary>Writes all rows of a step at once; rows of the same step that were there are replaced.</summary>
    public void Commit(StepBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        Transaction(() =>
        {
            WriteMetrics(batch.Stage, batch.Step, batch.Metrics);
            WriteTranscripts(batch.Transcripts);
            WriteLabels(batch.Labels);
            WriteScenarioLabels(batch.ScenarioLabels);
            WriteSummaries(batch.Summaries);
        });
    }

    /// <summary>Labels of another detector, or of a new version, for transcripts that are already there.</summary>
    public void AddLabels(IReadOnlyCollection<LabelRow> labels) => Transaction(() => WriteLabels(labels));

    public void AddSummaries(IReadOnlyCollection<SummaryRow> summaries) => Transaction(() => WriteSummaries(summaries));

    public void AddEvent(string stage, long step, string level, string message) =>
        Transaction(() =>
            Execute(
                "INSERT INTO events (time, stage, step, level, message) VALUES ($time, $stage, $step, $level, $message)",
                ("$time", Now()),
                ("$stage", stage),
                ("$step", step),
                ("$level", level),
                ("$message", message)
            )
        );

    public void StartStage(string stage, string? fingerprint = null) =>
        Transaction(() =>
            Execute(
                """
                INSERT INTO stages (stage, status, started, fingerprint) VALUES ($stage, 'running', $now, $fingerprint)
                ON CONFLICT (stage) DO UPDATE SET status = 'running', ended = NULL, fingerprint = $fingerprint
                """,
                ("$stage", stage),
                ("$now", Now()),
                ("$fingerprint", fingerprint)
            )
        );

    public void EndStage(string stage, string status, string? detail = null) =>
        Transaction(() =>
            Execute(
                "UPDATE stages SET status = $status, ended = $now, detail = $detail WHERE stage = $stage",
                ("$stage", stage),
                ("$status", status),
                ("$now", Now()),
                ("$detail", detail)
            )
        );

    /// <summary>For a resume: removes what a stage wrote after a step. Events stay: they are history.</summary>
    /// <param name="condition">Transcripts and summaries of this condition alone; null: of all. Metrics do not say whose they are, and go.</param>
    public void DeleteAfter(string stage, long step, string? condition = null) =>
        Transaction(() =>
        {
            Execute("DELETE FROM metrics WHERE stage = $stage AND step > $step", ("$stage", stage), ("$step", step));
            foreach (var table in new[] { "transcripts", "summaries" })
                Execute(
                    $"DELETE FROM {table} WHERE stage = $stage AND step > $step AND ($condition IS NULL OR condition = $condition)",
                    ("$stage", stage),
                    ("$step", step),
                    ("$condition", condition)
                );
        });

    /// <summary>Several writes in one transaction.</summary>
    public void Transaction(Action work)
    {
        ArgumentNullException.ThrowIfNull(work);
        lock (_gate)
        {
            if (_current is not null)
            {
                work();
                return;
            }

            using var transaction = _connection.BeginTransaction();
            _current = transaction;
            try
            {
                work();
                transaction.Commit();
            }
            finally
            {
                _current = null;
            }
        }
    }

    public void Dispose()
    {
        _connection.Dispose();
        // A pooled connection would keep the file open after the store is closed.
        SqliteConnection.ClearPool(_connection);
    }

    private SqliteTransaction? _current;

    private static RunStore Open(string path, TimeProvider time, bool readOnly)
    {
        if (!readOnly)
            Directory.CreateDirectory(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!);
        var connection = new SqliteConnection(
            new SqliteConnectionStringBuilder
            {
                DataSource = path,
                Mode = readOnly ? SqliteOpenMode.ReadOnly : SqliteOpenMode.ReadWriteCreate,
                ForeignKeys = true,
                Pooling = false,
            }.ToString()
        );
        var store = new RunStore(path, connection, time);
        try
        {
            connection.Open();
            if (!readOnly)
                store.Execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
            store.CheckVersion(readOnly);
            if (!readOnly)
                store.Execute(Schema.Later);
            return store;
        }
        catch (SqliteException e)
        {
            connection.Dispose();
            throw HarnessException.BadFile(
                path,
                "not a run store",
                e.Message,
                "an SQLite database that RlHarness wrote",
                "move the file away, or give another run folder",
                e
            );
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    private void CheckVersion(bool readOnly)
    {
        var tables = Convert.ToInt64(Scalar("SELECT COUNT(*) FROM sqlite_master"), CultureInfo.InvariantCulture);
        if (tables == 0 && !readOnly)
        {
            Transaction(() =>
            {
                Execute(Schema.Create);
                Execute("INSERT INTO meta VALUES ('schema_version', $version)", ("$version", Schema.Version.ToString(CultureInfo.InvariantCulture)));
            });
            return;
        }

        var known = tables > 0 && Scalar("SELECT COUNT(*) FROM sqlite_master WHERE name = 'meta'") is long and > 0;
        var version = known ? Scalar("SELECT value FROM meta WHERE key = 'schema_version'") as string : null;
        if (version != Schema.Version.ToString(CultureInfo.InvariantCulture))
            throw HarnessException.BadFile(
                Path,
                "a run store of another version",
                version ?? "none",
                $"schema version {Schema.Version}",
                "read it with the RlHarness that wrote it"
            );
    }

    private void WriteMetrics(string stage, long step, IReadOnlyDictionary<string, double> metrics)
    {
        if (metrics.Count == 0)
            return;
        using var command = Command("INSERT OR REPLACE INTO metrics (stage, step, name, value, time) VALUES ($stage, $step, $name, $value, $time)");
        var now = Now();
        foreach (var (name, value) in metrics)
            Run(command, ("$stage", stage), ("$step", step), ("$name", name), ("$value", value), ("$time", now));
    }

    private void WriteTranscripts(IReadOnlyCollection<TranscriptRow> rows)
    {
        if (rows.Count == 0)
            return;
        using var command = Command(
            """
            INSERT OR REPLACE INTO transcripts VALUES ($id, $stage, $step, $split, $tier, $query, $sample, $condition, $system, $user, $assistant, $reasoning, $output,
            $problem, $finish, $ids, $logprobs, $rewards)
            """
        );
        foreach (var r in rows)
        {
            Run(
                command,
                ("$id", r.Id),
                ("$stage", r.Stage),
                ("$step", r.Step),
                ("$split", r.Split.ToString()),
                ("$tier", r.Tier.ToString()),
                ("$query", r.QueryId),
                ("$sample", r.Sample),
                ("$condition", r.Condition),
                ("$system", r.System),
                ("$user", r.User),
                ("$assistant", r.AssistantText),
                ("$reasoning", r.Reasoning),
                ("$output", r.Output),
                ("$problem", r.FormatProblem),
                ("$finish", r.FinishReason),
                ("$ids", r.TokenIds is null ? null : JsonSerializer.Serialize(r.TokenIds)),
                ("$logprobs", r.TokenLogprobs is null ? null : JsonSerializer.Serialize(r.TokenLogprobs, Json)),
                ("$rewards", JsonSerializer.Serialize(r.Rewards, Json))
            );
        }
    }

    private void WriteLabels(IReadOnlyCollection<LabelRow> rows)
    {
        if (rows.Count == 0)
            return;
        using var command = Command("INSERT OR REPLACE INTO labels VALUES ($id, $detector, $version, $outcome, $kind, $af, $score)");
        foreach (var r in rows)
        {
            Run(
                command,
                ("$id", r.TranscriptId),
                ("$detector", r.Detector),
                ("$version", r.DetectorVersion),
                ("$outcome", r.Outcome.ToString()),
                ("$kind", r.Reasoning.ToString()),
                ("$af", r.AlignmentFaking ? 1 : 0),
                ("$score", r.Score)
            );
        }
    }

    private void WriteScenarioLabels(IReadOnlyCollection<ScenarioLabelRow> rows)
    {
        if (rows.Count == 0)
            return;
        using var command = Command(
            "INSERT OR REPLACE INTO scenario_labels VALUES ($id, $detector, $version, $group, $scenario, $variant, $item, $reasoning, $output)"
        );
        foreach (var r in rows)
        {
            Run(
                command,
                ("$id", r.TranscriptId),
                ("$detector", r.Detector),
                ("$version", r.DetectorVersion),
                ("$group", r.Group.ToString()),
                ("$scenario", r.Scenario),
                ("$variant", r.Variant),
                ("$item", r.Item),
                ("$reasoning", r.Label.Reasoning),
                ("$output", r.Label.Output)
            );
        }
    }

    private void WriteSummaries(IReadOnlyCollection<SummaryRow> rows)
    {
        if (rows.Count == 0)
            return;
        using var command = Command(
            "INSERT OR REPLACE INTO summaries VALUES ($stage, $step, $split, $condition, $detector, $tier, $metric, $value, $lo, $hi, $n, $clusters, $p)"
        );
        foreach (var r in rows)
        {
            Run(
                command,
                ("$stage", r.Stage),
                ("$step", r.Step),
                ("$split", r.Split.ToString()),
                ("$condition", r.Condition),
                ("$detector", r.Detector),
                ("$tier", r.Tier?.ToString() ?? BothTiers),
                ("$metric", r.Metric),
                ("$value", r.Estimate.Value),
                ("$lo", r.Estimate.Low),
                ("$hi", r.Estimate.High),
                ("$n", r.Estimate.N),
                ("$clusters", r.Estimate.Clusters),
                ("$p", r.P)
            );
        }
    }

    private const string BothTiers = "Both";

    private static readonly JsonSerializerOptions Json = new()
    {
        NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    private string Now() => _time.GetUtcNow().ToString("O", CultureInfo.InvariantCulture);

    private SqliteCommand Command(string sql)
    {
        var command = _connection.CreateCommand();
        command.CommandText = sql;
        command.Transaction = _current;
        return command;
    }

    private static void Bind(SqliteCommand command, (string Name, object? Value)[] parameters)
    {
        foreach (var (name, value) in parameters)
        {
            var stored = value is null or double.NaN ? DBNull.Value : value;
            if (command.Parameters.Contains(name))
                command.Parameters[name].Value = stored;
            else
                command.Parameters.AddWithValue(name, stored);
        }
    }

    private static void Run(SqliteCommand command, params (string Name, object? Value)[] parameters)
    {
        Bind(command, parameters);
        command.ExecuteNonQuery();
    }

    private void Execute(string sql, params (string Name, object? Value)[] parameters)
    {
        using var command = Command(sql);
        Run(command, parameters);
    }

    internal object? Scalar(string sql)
    {
        using var command = Command(sql);
        return command.ExecuteScalar();
    }
}
