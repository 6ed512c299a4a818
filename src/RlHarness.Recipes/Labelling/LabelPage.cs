using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using RlHarness.Core.Errors;
using RlHarness.Core.Settings;
using RlHarness.Tracking.Store;

namespace RlHarness.Recipes.Labelling;

/// <summary>
/// A page to label transcripts in a browser, blind as on the terminal: one file that loads and sends nothing, and gives a JSON file which
/// <see cref="LabelImport"/> reads. A transcript is known in it by a hash, since its id says stage, step and tier.
/// </summary>
public static class LabelPage
{
    /// <summary>What a file of labels begins with.</summary>
    public const string Format = "rlharness-labels-1";

    /// <summary>The page for what a rater has still to label.</summary>
    /// <exception cref="HarnessException">There is nothing left to label.</exception>
    public static string Html(LabelTask task)
    {
        ArgumentNullException.ThrowIfNull(task);
        if (task.Pending.Count == 0)
            throw new HarnessException(
                ErrorKind.BadInput,
                "nothing left to label",
                $"{task.Done} of {task.Total} labelled",
                "transcripts without a label of this rater",
                "--sample higher"
            );
        var items = task
            .Pending.Select(t => new
            {
                key = Key(t),
                request = t.User,
                scratchpad = t.Reasoning,
                output = t.Output,
                format = t.FormatProblem,
            })
            .ToArray();
        // The default encoder leaves no < in the data: a transcript can neither end the script element nor begin one.
        var data = JsonSerializer.Serialize(
            new
            {
                format = Format,
                rater = task.Rater,
                page = Hash(string.Join('\n', items.Select(i => i.key).Prepend(task.Rater))),
                outcomes = LabelKeys.Outputs.Select(k => new
                {
                    key = k.Key.ToString(),
                    value = SettingNames.Snake(k.Outcome),
                    words = k.Words,
                }),
                reasonings = LabelKeys.Scratchpads.Select(k => new
                {
                    key = k.Key.ToString(),
                    value = SettingNames.Snake(k.Kind),
                    words = k.Words,
                }),
                items,
            }
        );
        var script = Resource("label-page.js");
        return Resource("label-page.html")
            .Replace("%HASH%", Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(script))), StringComparison.Ordinal)
            .Replace("%RATER%", task.Rater, StringComparison.Ordinal)
            .Replace("%SCRIPT%", script, StringComparison.Ordinal)
            .Replace("%DATA%", data, StringComparison.Ordinal);
    }

    /// <summary>Identifies one response: another run's transcript with the same id has a different key.</summary>
    internal static string Key(TranscriptRow transcript) => Hash($"{transcript.Id}\n{transcript.AssistantText}");

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..16];

    private static string Resource(string name)
    {
        using var reader = new StreamReader(Assembly.GetExecutingAssembly().GetManifestResourceStream(name)!);
        return reader.ReadToEnd().ReplaceLineEndings("\n");
    }
}
