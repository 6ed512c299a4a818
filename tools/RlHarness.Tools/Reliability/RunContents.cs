using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Data.Sqlite;

namespace RlHarness.Tools.Reliability;

/// <summary>
/// All that a finished run left behind, line by line, without what depends on the clock: every file's hash, every row of run.db, every line of metrics.jsonl,
/// the report's text. Left out are times, what was measured in seconds, run.json (which says when it started), logs, and events other than warnings: these
/// are history.
/// </summary>
internal static partial class RunContents
{
    private static readonly string[] History = ["run.json", "run.db", "run.db-wal", "run.db-shm", "metrics.jsonl", "report.html"];

    /// <summary>Notes about a process, and hashes of files that say when the run started.</summary>
    private static readonly string[] Own = ["measured/", "process/", "sha256/run.json", "sha256/config.yaml"];

    internal static IReadOnlyList<string> Of(string run) => [.. Files(run), .. Rows(Path.Combine(run, "run.db")), .. Lines(run), .. Report(run)];

    /// <summary>Lines that only one of them has; none where two runs are the same.</summary>
    internal static IReadOnlyList<string> Differences(IReadOnlyList<string> expected, IReadOnlyList<string> found)
    {
        var differences = new List<string>();
        var counts = expected.GroupBy(l => l, StringComparer.Ordinal).ToDictionary(g => g.Key, g => g.Count(), StringComparer.Ordinal);
        foreach (var line in found)
            if (counts.GetValueOrDefault(line) is var left and > 0)
                counts[line] = left - 1;
            else
                differences.Add("+ " + line);
        differences.AddRange(counts.Where(c => c.Value > 0).Select(c => "- " + c.Key));
        if (differences.Count == 0 && !expected.SequenceEqual(found))
            differences.Add("the same lines in another order");
        return differences;
    }

    /// <summary>Every file, so that something half-written that stayed is a difference too.</summary>
    private static IEnumerable<string> Files(string run) =>
        Directory
            .EnumerateFileSystemEntries(run, "*", SearchOption.AllDirectories)
            .Select(f => (Path: f, Name: Path.GetRelativePath(run, f)))
            .Where(f => !f.Name.StartsWith("logs", StringComparison.Ordinal) && !History.Contains(f.Name))
            .OrderBy(f => f.Name, StringComparer.Ordinal)
            .Select(f => $"file {f.Name} {(Directory.Exists(f.Path) ? "" : Hash(f.Path, run))}");

    /// <summary>An adapter names the full path of its base; the manifest beside it holds that file's hash.</summary>
    private static string Hash(string file, string run)
    {
        var adapter = File.Exists(Path.Combine(Path.GetDirectoryName(file)!, "adapter_config.json"));
        if (adapter && Path.GetFileName(file) == "manifest.json")
            return "";
        var bytes = File.ReadAllBytes(file);
        // A loop of many hours passes midnight, and a run keeps the day that it began.
        if (Path.GetFileName(file) == "config.yaml")
            bytes = Encoding.UTF8.GetBytes(Date().Replace(Encoding.UTF8.GetString(bytes), ""));
        if (adapter && Path.GetFileName(file) == "adapter_config.json")
            bytes = Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(bytes).Replace(Path.GetFullPath(run), "", StringComparison.Ordinal));
        return Convert.ToHexStringLower(SHA256.HashData(bytes));
    }

    private static IEnumerable<string> Rows(string database)
    {
        var source = new SqliteConnectionStringBuilder
        {
            DataSource = database,
            Mode = SqliteOpenMode.ReadOnly,
            Pooling = false,
        };
        using var connection = new SqliteConnection(source.ToString());
        connection.Open();
        var tables = Query(connection, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").Select(r => r[0].Split('=', 2)[1]).ToArray();
        foreach (var table in tables)
        {
            bool IsNumber(string column) => table == "events" && column.StartsWith("id=", StringComparison.Ordinal);
            var rows = Query(connection, $"SELECT * FROM {table}")
                .Where(r => !IsMeasured(table, r))
                .Select(r => string.Join(" | ", r.Where(c => !IsTime(c) && !IsNumber(c))));
            foreach (var row in rows.Order(StringComparer.Ordinal))
                yield return $"row {table} {Timeless(row)}";
        }
    }

    private static bool IsTime(string column) => column.Split('=', 2)[0] is "time" or "started" or "ended";

    private static bool IsMeasured(string table, string[] row) =>
        (table == "events" && !row.Contains("level=warning"))
        || (table == "metrics" && row.Any(c => c.StartsWith("name=timing_s/", StringComparison.Ordinal)))
        || (table == "metrics" && row.Any(c => c.StartsWith("name=perf/", StringComparison.Ordinal)))
        || (table == "meta" && row.Any(c => Own.Any(k => c.StartsWith("key=" + k, StringComparison.Ordinal))));

    private static List<string[]> Query(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        using var reader = command.ExecuteReader();
        var rows = new List<string[]>();
        while (reader.Read())
            rows.Add([.. Enumerable.Range(0, reader.FieldCount).Select(i => $"{reader.GetName(i)}={Text(reader.GetValue(i))}")]);
        return rows;
    }

    /// <summary>Bit for bit: a number by the bytes that it is stored in.</summary>
    private static string Text(object value) => value is double d ? BitConverter.DoubleToInt64Bits(d).ToString("x16") : value.ToString() ?? "";

    private static IEnumerable<string> Lines(string run) =>
        File.ReadLines(Path.Combine(run, "metrics.jsonl"))
            .Select(line =>
            {
                using var json = JsonDocument.Parse(line);
                return "line "
                    + string.Join(
                        ' ',
                        json.RootElement.EnumerateObject()
                            .Where(p =>
                                p.Name != "time"
                                && !p.Name.StartsWith("timing_s/", StringComparison.Ordinal)
                                && !p.Name.StartsWith("perf/", StringComparison.Ordinal)
                            )
                            .Select(p => p.ToString())
                    );
            });

    private static IEnumerable<string> Report(string run) =>
        File.ReadLines(Path.Combine(run, "report.html")).Select((line, i) => $"report {i} {Timeless(line)}");

    private static string Timeless(string text) => Time().Replace(Speed().Replace(text, "N tokens/s"), "TIME");

    [GeneratedRegex(@"[0-9.,]+ tokens/s")]
    private static partial Regex Speed();

    [GeneratedRegex("[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{5,8} UTC")]
    private static partial Regex Time();

    [GeneratedRegex(@"^date:.*$", RegexOptions.Multiline)]
    private static partial Regex Date();
}
