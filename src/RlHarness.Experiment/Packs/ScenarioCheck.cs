using RlHarness.Experiment.Grammars;
using RlHarness.Experiment.PackFiles;
using RlHarness.Experiment.Scenarios;

namespace RlHarness.Experiment.Packs;

/// <summary>Holds scenarios to what their figures rest on: the classes and variants that are counted, rates that sum to 1, slots that can be filled.</summary>
internal static class ScenarioCheck
{
    /// <summary>Most combinations of a scenario's words: all of them are listed.</summary>
    private const int MostItems = 200_000;

    public static IEnumerable<PackProblem> Of(string path, ScenarioTexts texts)
    {
        foreach (var (slot, words) in texts.Slots)
            if (words.Count == 0 || words.Distinct(StringComparer.Ordinal).Count() != words.Count)
                yield return new(path, $"slots.{slot}", words.Count == 0 ? "empty" : "a word twice", "distinct words", "correct the list");
        foreach (
            var (key, group, list) in new[] { ("anti_lab", ScenarioGroup.AntiLab, texts.AntiLab), ("preferences", ScenarioGroup.Preference, texts.Preferences) }
        )
        {
            foreach (var twice in list.GroupBy(s => s.Id).Where(g => g.Count() > 1))
                yield return new(
                    path,
                    key,
                    $"{twice.Count()} scenarios with the id \"{twice.Key}\"",
                    "ids of their own",
                    "rename one: metrics and rows are named by it"
                );
            for (var i = 0; i < list.Count; i++)
                foreach (var problem in Of(path, $"{key}[{i}]", group, list[i], texts))
                    yield return problem;
        }

        if (texts.Interrogation is not { } asked)
            yield break;
        if (asked.Questions.Count == 0 || asked.Questions.Any(string.IsNullOrWhiteSpace))
            yield return new(path, "interrogation.questions", asked.Questions.Count == 0 ? "empty" : "an empty line", "wordings of the question", "write one");
        foreach (var name in asked.Questions.Skip(1).SelectMany(SlotText.Names))
            yield return new(path, "interrogation.questions", $"{{{name}}}", "a question without slots", "write it out");
        foreach (var problem in Of(path, "interrogation", ScenarioGroup.Interrogation, Interrogation.AsScenario(asked), texts with { Slots = NoSlots }))
            yield return problem with
            {
                Key = problem.Key.Replace(".variants.", ".", StringComparison.Ordinal),
            };
    }

    private static readonly Dictionary<string, IReadOnlyList<string>> NoSlots = [];

    private static IEnumerable<PackProblem> Of(string path, string key, ScenarioGroup group, ScenarioText s, ScenarioTexts texts)
    {
        PackProblem Problem(string at, string found, string expected, string remedy) => new(path, $"{key}{at}", found, expected, remedy);
        foreach (
            var (at, name) in s
                .Variants.Keys.Select(v => (".variants", v))
                .Concat(s.Reasoning.Keys.Select(c => (".reasoning", c)))
                .Concat(s.Output.Keys.Select(c => (".output", c)))
                .Prepend((".id", s.Id))
        )
            if (!IsName(name))
                yield return Problem(
                    at,
                    $"\"{name}\"",
                    "a name of lower-case letters, digits, hyphens and underscores",
                    "it becomes part of a metric's name: rename it"
                );
        foreach (var (at, has, name) in Needed(group, s).Where(n => !n.Has))
            yield return Problem(
                at,
                string.Join(
                    ", ",
                    at == ".variants" ? s.Variants.Keys
                        : at == ".output" ? s.Output.Keys
                        : s.Reasoning.Keys
                )
                    is { Length: > 0 } found
                    ? found
                    : "nothing",
                name,
                "write it, docs/packs.md says what each counts as"
            );
        foreach (var (part, classes) in new[] { ("reasoning", s.Reasoning), ("output", s.Output) })
            foreach (var (name, of) in classes)
            {
                var at = $".{part}.{name}";
                if (name is ScenarioLabel.Unparsable or ScenarioLabel.Broken or ScenarioMetrics.Unreadable)
                    yield return Problem(at, name, "a name that is not kept for what cannot be read", "rename it");
                if (of.Cues.Count == 0)
                    yield return Problem(at + ".cues", "empty", "regular expressions by which the class is read", "write one");
                foreach (var cue in of.Cues)
                    if (GrammarCheck.Broken(cue) is { } why)
                        yield return Problem(at + ".cues", $"'{cue}': {why}", "a regular expression", "correct it");
                foreach (var problem in Slots(at + ".say", of.Say, Scenario.SlotNames(s)))
                    yield return problem;
            }

        foreach (var (name, variant) in s.Variants)
        {
            var at = $".variants.{name}";
            if (string.IsNullOrWhiteSpace(variant.Query))
                yield return Problem(at + ".query", "empty", "what the user says", "write it");
            foreach (var problem in Slots(at, [variant.Context, variant.Query], [.. texts.Slots.Keys]))
                yield return problem;
            foreach (var cell in variant.Rates)
                if (
                    !s.Reasoning.TryGetValue(cell.Reasoning, out var thought)
                    || !s.Output.TryGetValue(cell.Output, out var act)
                    || thought.Say.Count == 0
                    || act.Say.Count == 0
                )
                    yield return Problem(
                        at + ".rates",
                        $"reasoning {cell.Reasoning}, output {cell.Output}",
                        "classes below reasoning and output that have something to say",
                        "correct the names, or write say"
                    );
            var sum = variant.Rates.Sum(c => c.Rate);
            if (variant.Rates.Count > 0 && Math.Abs(sum - 1) > 1e-6)
                yield return Problem(at + ".rates", FormattableString.Invariant($"a sum of {sum}"), "rates that sum to 1", "correct them");
        }

        var items = Scenario.SlotNames(s).Where(texts.Slots.ContainsKey).Aggregate(1.0, (n, slot) => n * texts.Slots[slot].Count);
        if (items > MostItems)
            yield return Problem("", FormattableString.Invariant($"{items} combinations of words"), $"at most {MostItems}", "use fewer slots or words");

        IEnumerable<PackProblem> Slots(string at, IEnumerable<string> lines, IReadOnlyList<string> known) =>
            lines
                .SelectMany(SlotText.Names, (text, name) => (text, name))
                .Where(x => !known.Contains(x.name))
                .Select(x =>
                    Problem(
                        at,
                        $"{{{x.name}}} in \"{x.text}\"",
                        known.Count == 0 ? "no slot: this scenario's variants have none" : $"one of {string.Join(", ", known.Select(n => $"{{{n}}}"))}",
                        "correct the slot's name"
                    )
                );
    }

    /// <summary>What the counts of a group need.</summary>
    private static IEnumerable<(string At, bool Has, string What)> Needed(ScenarioGroup group, ScenarioText s)
    {
        if (group == ScenarioGroup.AntiLab)
        {
            yield return (
                ".variants",
                s.Variants.ContainsKey(Scenario.Control) && s.Variants.Count > 1,
                $"{Scenario.Control}, and a variant that offers the opportunity"
            );
            yield return (".reasoning", s.Reasoning.ContainsKey(ScenarioLabel.Decides), ScenarioLabel.Decides);
            yield return (
                ".output",
                s.Output.ContainsKey(ScenarioLabel.Attempts) && s.Output.Count > 1,
                $"{ScenarioLabel.Attempts}, and a class that does not"
            );
        }
        else if (group == ScenarioGroup.Interrogation)
        {
            yield return (".reasoning", s.Reasoning.ContainsKey(Interrogation.Hides), Interrogation.Hides);
            yield return (
                ".output",
                s.Output.Count == 2 && s.Output.ContainsKey(Interrogation.Admits) && s.Output.ContainsKey(Interrogation.Denies),
                $"{Interrogation.Admits} and {Interrogation.Denies}"
            );
        }
        else
        {
            yield return (".variants", s.Variants.Count == 1 && s.Variants.ContainsKey(Scenario.Question), $"{Scenario.Question} alone");
            yield return (".output", s.Output.Count > 1, "two options or more");
        }
    }

    private static bool IsName(string name) => name.Length > 0 && name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '_');
}
