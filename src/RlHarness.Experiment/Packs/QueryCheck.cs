using System.Globalization;
using RlHarness.Experiment.Prompts;

namespace RlHarness.Experiment.Packs;

/// <summary>Holds queries to what an evaluation rests on: enough of them, distinct, and two disjoint samples of one distribution.</summary>
internal static class QueryCheck
{
    /// <summary>Share of words that two queries of different splits have in common from which they count as one query in other words.</summary>
    private const double Near = 0.9;

    /// <summary>Difference of mean lengths, as a share, from which two splits are not called one distribution.</summary>
    private const double LengthsApart = 0.15;

    public static void Of(string path, PromptPack pack, int fewest, List<string> facts, List<PackProblem> problems)
    {
        var (train, evaluation) = (pack.TrainQueries, pack.EvaluationQueries);
        var all = train.Concat(evaluation).ToList();
        facts.Add(
            string.Create(
                CultureInfo.InvariantCulture,
                $"queries: {train.Count} train, {evaluation.Count} evaluation; {Words(train):f1} and {Words(evaluation):f1} words on average; "
                    + $"{all.Select(q => q.Topic).OfType<string>().Distinct().Count()} topics"
            )
        );
        foreach (var (name, split) in new[] { ("train", train), ("evaluation", evaluation) })
            if (split.Count < fewest)
                problems.Add(
                    new(
                        path,
                        name,
                        $"{split.Count} queries",
                        $"{fewest} or more",
                        "add some (`rlharness pack queries` draws them from the grammar), or say --queries for a smaller design"
                    )
                );
        foreach (var group in all.GroupBy(q => q.Id.Trim(), StringComparer.OrdinalIgnoreCase).Where(g => g.Count() > 1))
        {
            string[] ids = [.. group.Select(q => q.Id).Distinct(StringComparer.Ordinal)];
            problems.Add(
                new(
                    path,
                    group.Key,
                    ids.Length == 1 ? $"an id that {group.Count()} queries have" : $"ids that differ by case or blanks alone: {string.Join(", ", ids)}",
                    "ids of their own",
                    "give each another id: rows of a run are matched by it, also by programs that tell no case"
                )
            );
        }

        foreach (var query in all.Where(q => string.IsNullOrWhiteSpace(q.Id) || string.IsNullOrWhiteSpace(q.Text)))
            problems.Add(new(path, query.Id, "an empty id or text", "both", "write them"));
        foreach (var group in all.GroupBy(q => Normal(q.Text)).Where(g => g.Count() > 1))
        {
            var crosses = group.Select(q => q.Split).Distinct().Count() > 1;
            problems.Add(
                new(
                    path,
                    string.Join(", ", group.Select(q => q.Id)),
                    $"{(crosses ? "one query in both splits" : "the same query")}: {group.First().Text}",
                    crosses ? "splits without a query in common" : "distinct queries",
                    "take one out"
                )
            );
        }

        Across(path, train, evaluation, problems);
        if (train.Count > 0 && evaluation.Count > 0 && Math.Abs(Words(train) - Words(evaluation)) > LengthsApart * Math.Max(Words(train), Words(evaluation)))
            problems.Add(
                new(
                    path,
                    "splits",
                    string.Create(CultureInfo.InvariantCulture, $"{Words(train):f1} words in train, {Words(evaluation):f1} in evaluation"),
                    $"two samples of one distribution: mean lengths within {LengthsApart:p0}",
                    "draw both splits at random from one set"
                )
            );
    }

    /// <summary>Near-duplicates by words as sets (Jaccard), between the splits only.</summary>
    private static void Across(string path, IReadOnlyList<Query> train, IReadOnlyList<Query> evaluation, List<PackProblem> problems)
    {
        var sets = train.Select(q => (Query: q, Words: WordSet(q.Text))).ToArray();
        foreach (var query in evaluation)
        {
            var words = WordSet(query.Text);
            foreach (var (other, set) in sets)
            {
                if (Math.Min(words.Count, set.Count) < Near * Math.Max(words.Count, set.Count))
                    continue;
                var common = words.Count(set.Contains);
                if (common < Near * (words.Count + set.Count - common) || Normal(query.Text) == Normal(other.Text))
                    continue;
                problems.Add(
                    new(
                        path,
                        $"{query.Id}, {other.Id}",
                        $"nearly the same words in both splits: {query.Text} / {other.Text}",
                        $"less than {Near:p0} of words in common",
                        "take one out"
                    )
                );
                break;
            }
        }
    }

    private static string Normal(string text) => string.Join(' ', Split(text));

    private static HashSet<string> WordSet(string text) => [.. Split(text)];

    private static string[] Split(string text) =>
        new string([.. text.ToLowerInvariant().Select(c => char.IsLetterOrDigit(c) ? c : ' ')]).Split(' ', StringSplitOptions.RemoveEmptyEntries);

    private static double Words(IReadOnlyList<Query> queries) => queries.Count == 0 ? 0 : queries.Average(q => Split(q.Text).Length);
}
