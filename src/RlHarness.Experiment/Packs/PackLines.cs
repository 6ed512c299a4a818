using System.Text.Json;
using System.Text.Json.Serialization;
using RlHarness.Core.Files;
using RlHarness.Experiment.PackFiles;
using RlHarness.Experiment.Prompts;

namespace RlHarness.Experiment.Packs;

/// <summary>The files of a pack that hold one JSON object a line.</summary>
internal static class PackLines
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    };

    /// <summary>All queries, train and evaluation; a pack needs them.</summary>
    public static IReadOnlyList<Query> Queries(string path, List<PackProblem> problems)
    {
        if (!File.Exists(path))
            problems.Add(
                new(
                    path,
                    "file",
                    "nothing at this path",
                    "one query a line: {\"id\": …, \"text\": …, \"split\": \"train\" or \"evaluation\", \"topic\": …}",
                    "write it, or let `rlharness pack queries` draw them from the grammar"
                )
            );
        var queries = Read<Query>(path, problems, "{\"id\": …, \"text\": …, \"split\": \"train\" or \"evaluation\"}");
        problems.AddRange(
            queries
                .Where(q => q.Split == Split.Scenario)
                .Select(q => new PackProblem(path, q.Id, "split scenario", "train or evaluation", $"scenarios are written in {PackFileNames.Scenarios}"))
        );
        // A run knows its rows by these, and two of one id would stop it in the middle.
        problems.AddRange(
            queries
                .GroupBy(q => (q.Id, q.Split))
                .Where(g => g.Count() > 1)
                .Select(g => new PackProblem(
                    path,
                    g.Key.Id,
                    $"an id that {g.Count()} queries have",
                    "ids of their own",
                    "give each another id: rows of a run are matched by it"
                ))
        );
        return queries;
    }

    /// <summary>The researcher's own transcripts; none where the file is absent.</summary>
    public static IReadOnlyList<ExampleTranscript> Examples(string path, List<PackProblem> problems) =>
        Read<ExampleTranscript>(
            path,
            problems,
            "{\"user\": …, \"tier\": \"training\" or \"unmonitored\", \"reasoning\": … or null, \"output\": …, \"outcome\": …, \"reasoning_kind\": …}"
        );

    /// <summary>The researcher's own preference pairs; none where the file is absent.</summary>
    public static IReadOnlyList<PreferencePair> Preferences(string path, List<PackProblem> problems) =>
        Read<PreferencePair>(path, problems, "{\"query_id\": …, \"user\": …, \"chosen\": …, \"rejected\": …}");

    private static List<T> Read<T>(string path, List<PackProblem> problems, string expected)
    {
        var rows = new List<T>();
        if (!File.Exists(path))
            return rows;
        var number = 0;
        foreach (var line in TextFile.Lines(path, "the pack's lines of JSON"))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line))
                continue;
            try
            {
                rows.Add(JsonSerializer.Deserialize<T>(line, Options)!);
            }
            catch (Exception e) when (TextFile.IsOfForm(e))
            {
                problems.Add(
                    new(
                        $"{path}:{number}",
                        e is JsonException { Path: not (null or "$") and var at } ? at : "line",
                        e.Message.Split(". Path:", StringSplitOptions.None)[0],
                        expected,
                        "correct this line"
                    )
                );
            }
        }

        return rows;
    }
}
