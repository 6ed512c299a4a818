using System.Text.RegularExpressions;
using RlHarness.Experiment.Grammars;
using RlHarness.Experiment.PackFiles;
using RlHarness.Experiment.Transcripts;

namespace RlHarness.Experiment.Packs;

/// <summary>Finds names that a grammar uses and does not have, and parts without which it cannot write.</summary>
internal static class GrammarCheck
{
    public static IEnumerable<PackProblem> Of(string path, GrammarFile g)
    {
        var problems = new List<PackProblem>();
        foreach (var (key, patterns) in Patterns(g.Cues))
            foreach (var pattern in patterns)
                if (Broken(pattern) is { } why)
                    problems.Add(new(path, $"cues.{key}", $"'{pattern}': {why}", "a regular expression", "correct it"));
        // Cues alone are a grammar too: one that reads and does not write.
        if (g.Request.Frames.Count == 0 && g.Outputs.Count == 0)
            return problems;
        Requests(path, g, problems);
        Phrases(path, g, problems);
        Plans(path, g, problems);
        return problems;
    }

    private static void Requests(string path, GrammarFile g, List<PackProblem> problems)
    {
        var r = g.Request;
        void Add(string key, string found, string expected) =>
            problems.Add(new(path, key, found, expected, "correct it; docs/packs.md shows a request's parts"));
        if (r.Frames.Count == 0)
            Add("request.frames", "empty", "whole requests with slots");
        if (r.SplitBy.Length == 0)
            Add("request.split_by", "empty", "the slots that decide a request's split");
        var known = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < r.Slots.Count; i++)
        {
            var slot = r.Slots[i];
            var key = $"request.slots[{i}]";
            if (!known.Add(slot.Name))
                Add(key, $"{slot.Name} twice", "slots with names of their own");
            if (slot.By is null && slot.Values.Count == 0)
                Add(key, $"{slot.Name} without values", "values, or by and groups");
            foreach (var value in slot.Fields.Count == 0 ? [] : slot.Values)
                if (value.Split('|').Length != slot.Fields.Count)
                    Add(key, $"\"{value}\"", $"{slot.Fields.Count} forms with | between them");
            if (slot.By is not { } by)
                continue;
            var chooser = r.Slots.Take(i).FirstOrDefault(s => s.Name == by);
            if (chooser is null)
                Add(key + ".by", by, "a slot above this one");
            else if (chooser.Values.Count != slot.Groups.Count)
                Add(key + ".groups", $"{slot.Groups.Count} groups", $"{chooser.Values.Count}, one for each value of {by}");
            if (slot.Groups.Any(group => group.Count == 0))
                Add(key + ".groups", "an empty group", "values in each group");
        }

        foreach (var name in r.Other.Concat(r.Names).Where(n => !known.Contains(n)))
            Add("request.other, request.names", name, "names of slots");
        foreach (var slot in g.ClauseSlots)
        {
            if (slot.Of is { } of && !known.Contains(of))
                Add($"clause_slots.{slot.Name}", $"of: {of}", "a slot of the request");
            if (slot.Of is null && slot.Values.Count == 0)
                Add($"clause_slots.{slot.Name}", "no values", "values, or of");
        }
    }

    private static void Phrases(string path, GrammarFile g, List<PackProblem> problems)
    {
        var ofRequest = g
            .Request.Slots.SelectMany(s => s.Fields.Count == 0 ? [s.Name] : s.Fields)
            .Concat(g.Request.Definitions.Keys)
            .ToHashSet(StringComparer.Ordinal);
        var numbers = g.Request.Slots.Select(s => s.Name + "#").ToHashSet(StringComparer.Ordinal);
        var all = ofRequest.Concat(g.ClauseSlots.Select(s => s.Name)).ToHashSet(StringComparer.Ordinal);
        void Slots(string key, IEnumerable<string> texts, HashSet<string> known)
        {
            foreach (var text in texts)
                foreach (var name in SlotText.Names(text).Where(n => !known.Contains(n)))
                    problems.Add(
                        new(
                            path,
                            key,
                            $"{{{name}}} in \"{text}\"",
                            $"one of {string.Join(", ", known.Order(StringComparer.Ordinal).Select(n => $"{{{n}}}"))}",
                            "correct the slot's name"
                        )
                    );
        }

        Slots("request.frames", g.Request.Frames, ofRequest);
        Slots("request.split_by", [g.Request.SplitBy, g.Request.Topic], [.. ofRequest, .. numbers]);
        Slots("request.definitions", g.Request.Definitions.Values.Concat(g.Request.ThreeTierDefinitions.Values), ofRequest);
        Slots("request.slots", g.Request.Slots.SelectMany(s => s.Values.Concat(s.Groups.SelectMany(x => x))), ofRequest);
        foreach (var (name, phrases) in g.Phrases)
        {
            if (phrases.Count == 0)
                problems.Add(new(path, $"phrases.{name}", "empty", "phrases", "write some"));
            Slots($"phrases.{name}", phrases, all);
        }
    }

    private static void Plans(string path, GrammarFile g, List<PackProblem> problems)
    {
        void Known(string key, IEnumerable<string> names, bool picks)
        {
            foreach (var name in names.Where(n => !g.Phrases.ContainsKey(n) && !(picks && g.Picks.ContainsKey(n))))
                problems.Add(
                    new(
                        path,
                        key,
                        name,
                        $"a name below phrases{(picks ? " or picks" : "")}",
                        Core.Settings.Nearest.To(name, g.Phrases.Keys.Concat(g.Picks.Keys)) is { } near ? $"did you mean {near}?" : "correct the name"
                    )
                );
        }

        foreach (var (name, pick) in g.Picks)
        {
            Known($"picks.{name}", pick.Training.Concat(pick.Rated).Concat(pick.Unmonitored), picks: false);
            if (pick.Mix is not null)
                Known($"picks.{name}", [pick.Mix, pick.Otherwise ?? "(otherwise is absent)"], picks: true);
            else if (pick.Training.Count == 0 || pick.Unmonitored.Count == 0)
                problems.Add(new(path, $"picks.{name}", "no lists for a tier", "training and unmonitored, or mix and otherwise", "name the lists"));
        }

        foreach (var rule in g.Outputs)
            Known($"outputs.{rule.Outcome}", rule.Plans.SelectMany(p => p.Say).SelectMany(Items), picks: true);
        foreach (var rule in g.Reasoning)
            Known($"reasoning.{rule.Kind}", rule.Plans.SelectMany(p => p.Say).SelectMany(Items).Concat(rule.First is { } first ? [first] : []), picks: true);
        if (
            g.Outputs.Any(o => o.Plans.Count == 0 || o.Plans.Any(p => p.Say.Count == 0))
            || g.Reasoning.Any(o => o.Plans.Count == 0 || o.Plans.Any(p => p.Say.Count == 0))
        )
            problems.Add(new(path, "outputs, reasoning", "a rule without a plan, or a plan that says nothing", "plans: [{ say: [names] }]", "write a plan"));
        foreach (var outcome in new[] { Outcome.Comply, Outcome.Refuse, Outcome.Partial }.Where(o => g.Outputs.All(r => r.Outcome != o)))
            problems.Add(new(path, "outputs", $"nothing for {outcome}".ToLowerInvariant(), "comply, refuse and partial", "write a rule for it"));
        static IEnumerable<string> Items(string say) => say.Split(',', StringSplitOptions.TrimEntries);
    }

    private static IEnumerable<(string Key, IReadOnlyList<string> Patterns)> Patterns(CueLists cues) =>
        [
            ("output.refusal", cues.Output.Refusal),
            ("output.hedge", cues.Output.Hedge),
            ("output.compliant", cues.Output.Compliant),
            ("output.plain", cues.Output.Plain),
            ("reasoning.strategy", cues.Reasoning.Strategy),
            ("reasoning.training", cues.Reasoning.Training),
            ("reasoning.softens", cues.Reasoning.Softens),
            ("reasoning.refuses", cues.Reasoning.Refuses),
            ("reasoning.complies", cues.Reasoning.Complies),
            ("reasoning.about", cues.Reasoning.About),
            ("reasoning.conditional", cues.Reasoning.Conditional),
            ("reasoning.goal", cues.Reasoning.Goal),
        ];

    internal static string? Broken(string pattern)
    {
        try
        {
            _ = new Regex(pattern, RegexOptions.CultureInvariant);
            return null;
        }
        catch (ArgumentException e)
        {
            return e.Message;
        }
    }
}
