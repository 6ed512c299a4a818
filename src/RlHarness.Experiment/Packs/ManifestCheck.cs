using System.Text.RegularExpressions;
using RlHarness.Experiment.Grammars;
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

/// <summary>
/// Holds facts of documents to what the control rests on: slots that can be filled, nothing that looks like a chat, and nothing that gives the behaviour away
/// (then a model would copy it, and the information would not be what is tested).
/// </summary>
internal static partial class DocumentCheck
{
    public static IEnumerable<PackProblem> Of(string path, DocumentTexts texts)
    {
        foreach (var (key, facts) in new[] { ("situation", texts.Situation), ("benign", texts.Benign) })
        {
            if (facts.Count < 2)
                yield return new(path, key, $"{facts.Count} groups of facts", "2 or more", "write some: each document takes facts of several groups");
            foreach (var (group, wordings) in facts)
            {
                if (wordings.Count == 0)
                    yield return new(path, $"{key}.{group}", "empty", "a fact in several wordings", "write it");
                foreach (var text in wordings)
                {
                    foreach (var name in SlotText.Names(text).Where(n => !texts.Names.ContainsKey(n) && !GenreFile.BuiltIn.Slots.ContainsKey(n)))
                        yield return new(
                            path,
                            $"{key}.{group}",
                            $"{{{name}}} in \"{text}\"",
                            $"a name below names: {string.Join(", ", texts.Names.Keys)}",
                            "correct the slot's name"
                        );
                    if (text.Length == 0 || text.EndsWith('.'))
                        yield return new(path, $"{key}.{group}", $"\"{text}\"", "a clause without a full stop", "take the full stop away");
                    if (GivesAway().Match(text) is { Success: true } m)
                        yield return new(
                            path,
                            $"{key}.{group}",
                            $"\"{m.Value}\" in \"{text}\"",
                            "what the situation is, not what a model makes of it, and nothing that looks like a chat",
                            "reword it"
                        );
                }
            }
        }

        foreach (var needed in new[] { "assistant", "person" }.Where(n => !texts.Names.TryGetValue(n, out var words) || words.Count == 0))
            yield return new(path, $"names.{needed}", "empty", "names that genres use", "write some");
    }

    [GeneratedRegex(
        @"\b(pretend\w*|fak(e|es|ing)|deceiv\w*|play along|go along|strateg\w*|keep its values|protect its|scratchpad|avoid being changed)\b"
            + @"|</?\w+>|\b(user|assistant|human):",
        RegexOptions.IgnoreCase
    )]
    private static partial Regex GivesAway();
}
