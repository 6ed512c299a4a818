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
    public static RunStore Open(string path, TimeProvider? time = null) => OpenToWrite(path, time ?? TimeProvider.System);

    /// <summary>A store in memory, gone when it is closed: for a process that works on a run whose store another one writes.</summary>
    public static RunStore InMemory(TimeProvider? time = null) => OpenInMemory(time ?? TimeProvider.System);

    /// <summary>
    /// As <see cref="OpenReadOnly"/>, and all that is read is of one moment: steps that a run commits meanwhile are not seen, and are not kept waiting but
    /// where the store has a rollback journal.
    /// </summary>
    /// <exception cref="HarnessException">There is none, or it is another program's.</exception>
    public static RunStore OpenSnapshot(string path)
    {
        var store = OpenReadOnly(path);
        store.Execute("BEGIN");
        // A transaction sees the store as it was at its first read.
        store.Scalar("SELECT COUNT(*) FROM sqlite_master");
        return store;
    }

    /// <summary>For tables and live views: never changes the store, and works while a run writes to it. Each answer is of its own moment.</summary>
    /// <exception cref="HarnessException">There is none, or it is another program's.</exception>
    public static RunStore OpenReadOnly(string path)
    {
        if (!File.Exists(path))
            throw HarnessException.BadFile(path, "no run store here", remedy: "give the folder of a run that was started");
        return OpenToRead(path);
    }

    /// <summary>
    /// Writes all rows of a step at once. Rows are added and never replaced: one that is there already is an error. Labels that people gave to the same
    /// transcripts before these were deleted come back with them.
    /// </summary>
    /// <exception cref="HarnessException">A row has the key of another; nothing is written.</exception>
    public PeoplesLabels Commit(StepBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        var labels = PeoplesLabels.None;
        Transaction(() =>
        {
            Insert(batch);
            labels = CarryLabels(batch);
        });
        return labels;
    }

    /// <summary>
    /// Writes a step in place of what its stage has of this condition from that step on, in one transaction: a process that is killed leaves the one or the
    /// other. Metrics do not say whose condition they are, and all go.
    /// </summary>
    public PeoplesLabels Replace(StepBatch batch, string condition)
    {
        ArgumentNullException.ThrowIfNull(batch);
        var labels = PeoplesLabels.None;
        Transaction(() =>
        {
            Delete(batch.Stage, batch.Step - 1, condition);
            Insert(batch);
            labels = CarryLabels(batch);
        });
        return labels;
    }

    /// <summary>Writes the metrics of a step in place of those of the same names: of a measure that is taken again.</summary>
    public void ReplaceMetrics(string stage, long step, IReadOnlyDictionary<string, double> metrics)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        Transaction(() =>
        {
            foreach (var name in metrics.Keys)
                Execute("DELETE FROM metrics WHERE stage = $stage AND step = $step AND name = $name", ("$stage", stage), ("$step", step), ("$name", name));
            WriteMetrics(stage, step, metrics);
        });
    }

    /// <summary>Labels of another detector, or of a new version, for transcripts that are already there.</summary>
    /// <exception cref="HarnessException">A transcript has a label of that detector and version already.</exception>
    public void AddLabels(IReadOnlyCollection<LabelRow> labels) => Transaction(() => WriteLabels(labels));

    public void AddSummaries(IReadOnlyCollection<SummaryRow> summaries) => Transaction(() => WriteSummaries(summaries));

    /// <summary>Writes figures in place of those with the same keys: of a computation that is done again.</summary>
    public void ReplaceSummaries(IReadOnlyCollection<SummaryRow> summaries)
    {
        ArgumentNullException.ThrowIfNull(summaries);
        Transaction(() =>
        {
            foreach (var r in summaries)
                Execute(
                    """
                    DELETE FROM summaries WHERE stage = $stage AND step = $step AND split = $split AND condition = $condition AND detector = $detector
                    AND tier = $tier AND metric = $metric
                    """,
                    ("$stage", r.Stage),
                    ("$step", r.Step),
                    ("$split", StoredWord.Of(r.Split)),
                    ("$condition", r.Condition),
                    ("$detector", r.Detector),
                    ("$tier", StoredWord.Of(r.Tier) ?? BothTiers),
                    ("$metric", r.Metric)
                );
            WriteSummaries(summaries);
        });
    }

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

    /// <summary>Lets SQLite look over the whole store: what a cut or damaged file holds is not reported as if it were all.</summary>
    /// <exception cref="HarnessException">It is damaged.</exception>
    public void CheckIntegrity()
    {
        string found;
        try
        {
            found = Scalar("PRAGMA quick_check(1)") as string ?? "no answer";
        }
        catch (SqliteException e)
        {
            throw StoreErrors.Of(Path, e) ?? StoreErrors.Damaged(Path, e.Message, e);
        }

        if (found != "ok")
            throw StoreErrors.Damaged(Path, found, null);
    }

    /// <summary>A text that the run keeps about itself, by key; null where it keeps none.</summary>
    public string? Note(string key) => Rows("SELECT value FROM meta WHERE key = $key", r => r.GetString(0), ("$key", key)).FirstOrDefault();

    /// <summary>Keeps a text about the run itself, in place of an earlier one of the same key.</summary>
    public void KeepNote(string key, string value) =>
        Transaction(() => Execute("INSERT OR REPLACE INTO meta VALUES ($key, $value)", ("$key", key), ("$value", value)));

    /// <summary>
    /// For a resume: removes what a stage wrote after a step. Events stay, since they are history, but for the warnings of those steps, which come again.
    /// Labels by people are kept aside, and come back with the same transcripts. Returns how many there are.
    /// </summary>
    public PeoplesLabels DeleteAfter(string stage, long step)
    {
        var labels = PeoplesLabels.None;
        Transaction(() =>
        {
            const string Those = "SELECT l.detector FROM labels l JOIN transcripts t ON t.transcript_id = l.transcript_id " + ToDelete;
            labels = new([], RatersOf(Those, stage, step, null));
            Delete(stage, step, condition: null);
        });
        return labels;
    }

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

            try
            {
                using var transaction = _connection.BeginTransaction();
                _current = transaction;
                work();
                transaction.Commit();
                // What is committed moves from run.db-wal into run.db at once, so that run.db copied alone has it. Passive: it waits for no reader.
                _current = null;
                Execute("PRAGMA wal_checkpoint(PASSIVE)");
            }
            catch (SqliteException e) when (StoreErrors.Of(Path, e) is { } error)
            {
                throw error;
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
        _copy?.Dispose();
    }

    private SqliteTransaction? _current;

    private const string BothTiers = "both";

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
