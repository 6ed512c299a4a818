using System.Text.Json;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Core.Settings;
using RlHarness.Experiment.Prompts;
using RlHarness.Tracking.Store;

namespace RlHarness.Recipes.Labelling;

/// <summary>Reads the file of labels that <see cref="LabelPage"/> gives: all of it, or nothing where something in it is wrong.</summary>
public static class LabelImport
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    private sealed record LabelFile(string? Format, string? Rater, IReadOnlyList<Entry?>? Labels);

    private sealed record Entry(string? Key, string? Outcome, string? Reasoning);

    /// <summary>
    /// Saves the labels, in place of earlier ones of that rater for the same transcripts. Returns the rater, how many labels there were, and how many earlier
    /// ones said something else: these are kept aside.
    /// </summary>
    /// <exception cref="HarnessException">The file does not hold labels, or is from another run.</exception>
    public static (string Rater, int Count, int Changed) Read(RunStore store, string path)
    {
        ArgumentNullException.ThrowIfNull(store);
        if (!File.Exists(path))
            throw HarnessException.BadFile(path, "no such file", remedy: "give the file that the label page downloaded");
        var file = Parse(path);
        LabelTask.CheckName(file.Rater ?? "");
        var transcripts = LabelTask
            .Stages.SelectMany(s => store.Transcripts(new TranscriptFilter(Stage: s, Split: Split.Evaluation)))
            .ToDictionary(LabelPage.Key);
        var rows = new List<LabelRow>();
        foreach (var (entry, i) in (file.Labels ?? []).Select((e, i) => (e ?? new Entry(null, null, null), i)))
        {
            if (entry.Key is not { } key || !transcripts.TryGetValue(key, out var transcript))
                throw HarnessException.BadFile(
                    path,
                    $"label {i + 1} is of no transcript of this run",
                    entry.Key ?? "no key",
                    "a key of the page that was written for this run",
                    "give the run that the page was written for"
                );
            rows.Add(
                LabelTask.Row(
                    transcript,
                    file.Rater!,
                    One(path, i, LabelKeys.Outputs.Select(k => k.Outcome), entry.Outcome),
                    One(path, i, LabelKeys.Scratchpads.Select(k => k.Kind), entry.Reasoning)
                )
            );
        }

        if (rows.Select(r => r.TranscriptId).Distinct().Count() < rows.Count)
            throw HarnessException.BadFile(path, "a transcript is labelled twice", expected: "one label each");
        return (file.Rater!, rows.Count, store.ReplaceLabels(rows));
    }

    private static LabelFile Parse(string path)
    {
        const string Remedy = "give the file that the label page downloaded";
        if (TextFile.ReadJson<LabelFile>(path, "JSON of labels", Remedy, Json) is { Format: LabelPage.Format } file)
            return file;
        throw HarnessException.BadFile(path, "not a file of labels", "another format", $"\"format\": \"{LabelPage.Format}\"", Remedy);
    }

    private static T One<T>(string path, int label, IEnumerable<T> values, string? found)
        where T : struct, Enum
    {
        foreach (var value in values)
            if (SettingNames.Snake(value) == found)
                return value;
        throw HarnessException.BadFile(
            path,
            $"label {label + 1} has an unknown {typeof(T).Name}",
            found ?? "none",
            string.Join(", ", values.Select(v => SettingNames.Snake(v)))
        );
    }
}
