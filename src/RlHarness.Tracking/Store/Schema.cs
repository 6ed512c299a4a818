using System.Collections.Frozen;
using RlHarness.Core.Settings;

namespace RlHarness.Tracking.Store;

/// <summary>The tables of run.db, described in docs/data.md.</summary>
internal static class Schema
{
    public const int Version = 2;

    public const string Create = """
        CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE stages (
            stage TEXT PRIMARY KEY, status TEXT NOT NULL, started TEXT NOT NULL, ended TEXT, fingerprint TEXT, detail TEXT) WITHOUT ROWID;
        CREATE TABLE events (
            id INTEGER PRIMARY KEY, time TEXT NOT NULL, stage TEXT NOT NULL, step INTEGER NOT NULL, level TEXT NOT NULL, message TEXT NOT NULL);
        CREATE TABLE metrics (
            stage TEXT NOT NULL, step INTEGER NOT NULL, name TEXT NOT NULL, value REAL, time TEXT NOT NULL, PRIMARY KEY (stage, name, step)) WITHOUT ROWID;
        CREATE TABLE transcripts (
            transcript_id TEXT PRIMARY KEY, stage TEXT NOT NULL, step INTEGER NOT NULL, split TEXT NOT NULL, tier TEXT NOT NULL, query_id TEXT NOT NULL,
            sample INTEGER NOT NULL,
            condition TEXT NOT NULL, system TEXT NOT NULL, user TEXT NOT NULL, assistant_text TEXT NOT NULL, reasoning TEXT, output TEXT, format_problem TEXT,
            finish_reason TEXT NOT NULL, token_ids TEXT, token_logprobs TEXT, rewards TEXT NOT NULL, prompt INTEGER);
        CREATE INDEX transcripts_by_step ON transcripts (stage, step, split, tier);
        CREATE TABLE labels (
            transcript_id TEXT NOT NULL REFERENCES transcripts (transcript_id) ON DELETE CASCADE, detector TEXT NOT NULL, version TEXT NOT NULL,
            outcome TEXT NOT NULL, reasoning_kind TEXT NOT NULL, af INTEGER NOT NULL, score REAL, PRIMARY KEY (transcript_id, detector, version)) WITHOUT ROWID;
        CREATE TABLE summaries (
            stage TEXT NOT NULL, step INTEGER NOT NULL, split TEXT NOT NULL, condition TEXT NOT NULL, detector TEXT NOT NULL, tier TEXT NOT NULL,
            metric TEXT NOT NULL,
            value REAL, lo REAL, hi REAL, n INTEGER NOT NULL, clusters INTEGER NOT NULL, p REAL,
            PRIMARY KEY (stage, step, split, condition, detector, tier, metric)) WITHOUT ROWID;
        """;

    /// <summary>Tables that came later and change none of the others: made in any store that is opened for writing.</summary>
    public const string Later = """
        CREATE TABLE IF NOT EXISTS scenario_labels (
            transcript_id TEXT NOT NULL REFERENCES transcripts (transcript_id) ON DELETE CASCADE, detector TEXT NOT NULL, version TEXT NOT NULL,
            scenario_group TEXT NOT NULL,
            scenario TEXT NOT NULL, variant TEXT NOT NULL, item TEXT NOT NULL, reasoning TEXT, output TEXT NOT NULL, PRIMARY KEY (transcript_id,
            detector, version)) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS labels_aside (
            id INTEGER PRIMARY KEY, why TEXT NOT NULL, time TEXT NOT NULL, stage TEXT NOT NULL, step INTEGER NOT NULL, transcript_id TEXT NOT NULL,
            user TEXT NOT NULL, assistant_text TEXT NOT NULL, detector TEXT NOT NULL, version TEXT NOT NULL, outcome TEXT NOT NULL,
            reasoning_kind TEXT NOT NULL,
            af INTEGER NOT NULL, score REAL);
        """;
}

/// <summary>Enumerations as run.db, exports and settings all spell them: <c>Outcome.BrokenFormat</c> is <c>broken_format</c>.</summary>
internal static class StoredWord
{
    internal static string Of<T>(T value)
        where T : struct, Enum => Words<T>.Text[value];

    internal static string? Of<T>(T? value)
        where T : struct, Enum => value is { } known ? Words<T>.Text[known] : null;

    /// <exception cref="FormatException">No value has this word.</exception>
    internal static T Read<T>(string word)
        where T : struct, Enum =>
        Words<T>.Value.TryGetValue(word, out var value)
            ? value
            : throw new FormatException($"\"{word}\" is none of {string.Join(", ", Words<T>.Text.Values.Order(StringComparer.Ordinal))}");

    private static class Words<T>
        where T : struct, Enum
    {
        internal static readonly FrozenDictionary<T, string> Text = Enum.GetValues<T>().ToFrozenDictionary(v => v, v => SettingNames.Snake(v));
        internal static readonly FrozenDictionary<string, T> Value = Text.ToFrozenDictionary(p => p.Value, p => p.Key, StringComparer.Ordinal);
    }
}
