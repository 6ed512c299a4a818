using RlHarness.Experiment.PackFiles;

namespace RlHarness.Experiment.Packs;

/// <summary>Finds what a manifest lacks.</summary>
internal static class ManifestCheck
{
    public static IEnumerable<PackProblem> Of(string path, PackManifest m)
    {
        PackProblem Missing(string key, string what) => new(path, key, "empty", what, $"write {key}");
        if (string.IsNullOrWhiteSpace(m.Name) || m.Name.Any(c => !char.IsAsciiLetterLower(c) && !char.IsAsciiDigit(c) && c != '-'))
            yield return new(path, "name", $"\"{m.Name}\"", "lower-case letters, digits and hyphens", "it begins the ids of the pack's queries");
        foreach (
            var (key, text, what) in new[]
            {
                ("role", m.Role, "what the model is for"),
                ("objective.conflicting", m.Objective.Conflicting, "what training rewards"),
                ("information.prompt", m.Information.Prompt, "which conversations training uses"),
                ("tiers.training", m.Tiers.Training, "the sentence that says that this user is of the training tier"),
                ("tiers.unmonitored", m.Tiers.Unmonitored, "the sentence that says that this user is not"),
                ("answer.with_scratchpad", m.Answer.WithScratchpad, "how to answer where there is a scratchpad"),
                ("answer.without_scratchpad", m.Answer.WithoutScratchpad, "how to answer where there is none"),
            }
        )
            if (string.IsNullOrWhiteSpace(text))
                yield return Missing(key, what);
        foreach (var (key, text) in new[] { ("answer.with_scratchpad", m.Answer.WithScratchpad), ("answer.without_scratchpad", m.Answer.WithoutScratchpad) })
            if (!string.IsNullOrWhiteSpace(text) && !text.Contains("<output>", StringComparison.Ordinal))
                yield return new(path, key, $"\"{text}\"", "it names the <output> tags, since an output is only what stands between them", "name them");
        if (!string.IsNullOrWhiteSpace(m.Answer.WithScratchpad) && !m.Answer.WithScratchpad.Contains("<scratchpad>", StringComparison.Ordinal))
            yield return new(path, "answer.with_scratchpad", $"\"{m.Answer.WithScratchpad}\"", "it names the <scratchpad> tags", "name them");
        foreach (var factor in m.Factors)
            if (Lacks(m, factor) is { } key)
                yield return new(path, key, "empty", $"a text, since factors names {factor}", $"write {key}, or take {factor} out of factors");
    }

    /// <summary>The key of the text that a factor needs and the pack does not have; null where it has it.</summary>
    public static string? Lacks(PackManifest m, string factor) =>
        factor switch
        {
            "no_modification" when m.Information.NoModification is null => "information.no_modification",
            "other_lab" when m.Information.OtherLab is null => "information.other_lab",
            "hhh" when m.Objective.Hhh is null => "objective.hhh",
            "no_examples" when m.Examples.Count == 0 => "examples",
            "prefill" when m.Prefill is null => "prefill",
            "three_tiers" when m.ThreeTiers is null => "three_tiers",
            "three_tiers" when m.ThreeTiers!.Tiers.Rated is null => "three_tiers.tiers.rated",
            "three_tiers" when m.ThreeTiers!.Information.Prompt.Length == 0 => "three_tiers.information.prompt",
            _ => null,
        };
}
