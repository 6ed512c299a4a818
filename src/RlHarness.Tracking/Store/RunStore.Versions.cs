using System.Globalization;
using RlHarness.Core.Errors;
using RlHarness.Core.Settings;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Scenarios;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Tracking.Store;

/// <summary>
/// Stores of schema version 1, which names a transcript's key <c>id</c> and spells enumerations as C# does (<c>BrokenFormat</c>). Whoever reads one sees views
/// of it in today's spelling, and the file stays as it is; whoever writes brings it to today's version in one transaction, and says so in its events.
/// </summary>
public sealed partial class RunStore
{
    private const string First = "1";

    private void CheckVersion(bool write)
    {
        var tables = Convert.ToInt64(Scalar("SELECT COUNT(*) FROM sqlite_master"), CultureInfo.InvariantCulture);
        if (tables == 0 && write)
        {
            Transaction(() =>
            {
                Execute(Schema.Create);
                Execute(Schema.Later);
                Execute("INSERT INTO meta VALUES ('schema_version', $version)", ("$version", Schema.Version.ToString(CultureInfo.InvariantCulture)));
            });
            return;
        }

        var known = tables > 0 && Scalar("SELECT COUNT(*) FROM sqlite_master WHERE name = 'meta'") is long and > 0;
        var version = known ? Scalar("SELECT value FROM meta WHERE key = 'schema_version'") as string : null;
        if (version == Schema.Version.ToString(CultureInfo.InvariantCulture))
        {
            if (write)
                Execute(Schema.Later);
        }
        else if (version == First && write)
            Renew();
        else if (version == First)
            ShowAsToday();
        else
            throw HarnessException.BadFile(
                Path,
                "a run store of another version",
                version ?? "none",
                $"schema version {Schema.Version}, or {First}",
                "read it with the RlHarness that wrote it"
            );
    }

    /// <summary>Brings a store of version 1 to today's. A process that is killed meanwhile leaves it as it was.</summary>
    private void Renew() =>
        Transaction(() =>
        {
            if (!HasColumn("transcripts", "prompt"))
                Execute("ALTER TABLE transcripts ADD COLUMN prompt INTEGER");
            Execute(Schema.Later);
            Execute("ALTER TABLE transcripts RENAME COLUMN id TO transcript_id");
            foreach (var (table, columns) in Spelled)
                Execute($"UPDATE {table} SET {string.Join(", ", columns.Select(c => $"{c.Column} = {c.Word}"))}");
            Execute("UPDATE meta SET value = $version WHERE key = 'schema_version'", ("$version", Schema.Version.ToString(CultureInfo.InvariantCulture)));
            AddEvent("store", 0, "info", $"run.db was brought from schema version {First} to {Schema.Version}: words are spelled as exports spell them");
        });

    /// <summary>Views in front of the tables, for this connection alone: nothing is written to the store.</summary>
    private void ShowAsToday()
    {
        Execute("PRAGMA temp_store = MEMORY");
        foreach (var (table, columns) in Spelled)
        {
            var there = Rows($"SELECT name FROM pragma_table_info('{table}', 'main')", r => r.GetString(0));
            // A store that was written before there were scenarios, or raters whose transcripts went.
            if (there.Count == 0)
                continue;
            var select = there.Select(name =>
                columns.FirstOrDefault(c => c.Column == name) is { Word: { } word } ? $"{word} AS {name}"
                : name == "id" && table == "transcripts" ? "id AS transcript_id"
                : name
            );
            // Pages of transcripts go by rowid, which a view has none of.
            if (table == "transcripts")
                select = select.Prepend("rowid AS rowid").Concat(there.Contains("prompt") ? [] : ["NULL AS prompt"]);
            Execute($"CREATE TEMP VIEW {table} AS SELECT {string.Join(", ", select)} FROM main.{table}");
        }
    }

    private bool HasColumn(string table, string column) =>
        Rows($"SELECT 1 FROM pragma_table_info('{table}', 'main') WHERE name = $column", r => r.GetInt64(0), ("$column", column)).Count > 0;

    /// <summary>Columns that hold enumerations, and today's word for what is in them.</summary>
    private static readonly (string Table, (string Column, string Word)[] Columns)[] Spelled =
    [
        ("transcripts", [Word<Split>("split"), Word<Tier>("tier")]),
        ("labels", [Word<Outcome>("outcome"), Word<ReasoningKind>("reasoning_kind")]),
        ("labels_aside", [Word<Outcome>("outcome"), Word<ReasoningKind>("reasoning_kind")]),
        ("scenario_labels", [Word<ScenarioGroup>("scenario_group")]),
        ("summaries", [Word<Split>("split"), Word<Tier>("tier", ("Both", BothTiers))]),
    ];

    private static (string Column, string Word) Word<T>(string column, params (string Old, string Today)[] others)
        where T : struct, Enum
    {
        var cases = Enum.GetValues<T>().Select(v => (Old: v.ToString(), Today: SettingNames.Snake(v))).Concat(others);
        return (column, $"CASE {column} {string.Join(' ', cases.Select(c => $"WHEN '{c.Old}' THEN '{c.Today}'"))} ELSE {column} END");
    }
}
