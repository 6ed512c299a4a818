using RlHarness.Core.Errors;
using RlHarness.Core.Runs;
using RlHarness.Formats.Tokenizers;
using RlHarness.Recipes.Settings;

namespace RlHarness.Recipes.Reading;

/// <summary>The text of each token of a response, by the tokenizer of the run's models.</summary>
public static class RunTokens
{
    /// <summary>Null where the run's folder has no tokenizer that can be read: then a report shows tokens by their numbers.</summary>
    public static Func<IReadOnlyList<int>, IReadOnlyList<string>>? Of(string run)
    {
        var folder = new[] { StageNames.Imitate, StageNames.Documents }
            .Select(s => Path.Combine(run, s))
            .Concat(CheckpointFolder.Newest(Path.Combine(run, StageNames.Rl)) is { } newest ? [newest.Path] : [])
            .FirstOrDefault(f => File.Exists(Path.Combine(f, "tokenizer.json")));
        if (folder is null)
            return null;
        try
        {
            return Texts(Tokenizer.Load(folder));
        }
        catch (HarnessException)
        {
            return null;
        }
    }

    /// <summary>The text each token completes; a multi-token character belongs to its last token.</summary>
    internal static Func<IReadOnlyList<int>, IReadOnlyList<string>> Texts(Tokenizer tokenizer) =>
        ids =>
        {
            var decoder = tokenizer.CreateStreamingDecoder();
            string[] texts = [.. ids.Select(decoder.Add)];
            if (texts.Length > 0)
                texts[^1] += decoder.Finish();
            return texts;
        };
}
