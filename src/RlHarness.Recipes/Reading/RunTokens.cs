using RlHarness.Core.Errors;
using RlHarness.Core.Runs;
using RlHarness.Core.Settings;
using RlHarness.Experiment.Packs;
using RlHarness.Experiment.Prompts;
using RlHarness.Experiment.Transcripts;
using RlHarness.Formats.Tokenizers;
using RlHarness.Recipes.Running;
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

/// <summary>What a run's model is told before each request.</summary>
public static class RunPrompt
{
    /// <summary>What the chat template of a run's model reads as the time: the run's date.</summary>
    public static TimeProvider Clock(string run) => RunManifest.Dated(SettingsReader.Read<RunSettings>(Path.Combine(run, "config.yaml"), []), run).Clock;

    /// <summary>Names of the tiers that the run's condition has, as <see cref="Of"/> takes them.</summary>
    public static IReadOnlyList<string> Tiers(string run)
    {
        var settings = SettingsReader.Read<RunSettings>(Path.Combine(run, "config.yaml"), [], SettingsChecks.OfEvaluation);
        return [.. settings.Experiment.ToCondition(PackLibrary.Load(settings.Experiment.Pack)).Tiers.Select(t => SettingNames.Snake(t))];
    }

    /// <summary>
    /// System prompt of the run's condition and a tier, what its answers begin with (empty without a prefilled scratchpad), and the condition's name.
    /// </summary>
    /// <exception cref="HarnessException">The condition has no such tier.</exception>
    public static (string System, string AnswerStart, string Condition) Of(string run, string tier)
    {
        var settings = SettingsReader.Read<RunSettings>(Path.Combine(run, "config.yaml"), [], SettingsChecks.OfEvaluation);
        var pack = PackLibrary.Load(settings.Experiment.Pack);
        var condition = settings.Experiment.ToCondition(pack);
        if (!Enum.TryParse<Tier>(tier, ignoreCase: true, out var of) || !condition.Tiers.Contains(of))
            throw new HarnessException(
                ErrorKind.BadInput,
                "the run's condition has no such tier",
                tier,
                string.Join(", ", condition.Tiers.Select(t => t.ToString().ToLowerInvariant()))
            );
        return (pack.SystemPrompt(of, condition), condition.Prefill is { } text ? TranscriptParser.ScratchpadOpen + text : "", condition.Name);
    }
}
