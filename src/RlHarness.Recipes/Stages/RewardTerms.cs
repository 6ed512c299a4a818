using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using RlHarness.Core.Errors;
using RlHarness.Core.Files;
using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Rewards;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;

namespace RlHarness.Recipes.Stages;

/// <summary>A term of the reward that the settings name, by what it may see.</summary>
/// <param name="Name">In metrics and transcripts.</param>
/// <param name="Weight">What its values are multiplied by.</param>
internal abstract record RewardTerm(string Name, double Weight) : IDisposable
{
    /// <summary>Sees the output alone.</summary>
    internal sealed record OfOutput(string Name, double Weight, Func<IReadOnlyList<RewardInput>, IReadOnlyList<double>> Score, IDisposable? Owned = null)
        : RewardTerm(Name, Weight)
    {
        public override void Dispose() => Owned?.Dispose();
    }

    /// <summary>Sees the scratchpad too, since its settings ask for it.</summary>
    internal sealed record OfScratchpad(
        string Name,
        double Weight,
        Func<IReadOnlyList<ScratchpadRewardInput>, IReadOnlyList<double>> Score,
        IDisposable? Owned = null
    ) : RewardTerm(Name, Weight)
    {
        public override void Dispose() => Owned?.Dispose();
    }

    public abstract void Dispose();

    /// <summary>The term that settings describe.</summary>
    internal static RewardTerm Create(RewardTermSettings settings, RunContext run)
    {
        switch (settings.Kind)
        {
            case "scratchpad_length":
                var length = new ScratchpadLengthPenalty(settings.FreeWords);
                return new OfScratchpad(settings.Label, settings.Weight, inputs => [.. inputs.Select(length.Score)]);
            case "judge":
                var judge = (IJudge)DetectorRegistry.Create(settings.Judge!, run.Pack, run.Device, run.Seeds, run.Settings.Clock, run.Ranks);
                return new OfOutput(
                    settings.Label,
                    settings.Weight,
                    inputs => Judged(judge, inputs, settings.Answer == "no", run.Cancellation),
                    judge as IDisposable
                );
            case "http":
                var service = new RewardService(settings, run.Asked);
                return Outside(settings, Once(service.Ask), service);
            default:
                return Outside(settings, Once(responses => RewardProgram.Ask(settings, responses, run.Asked)), null);
        }

        // Of several ranks the first one asks.
        Func<IReadOnlyList<JsonObject>, IReadOnlyList<double>> Once(Func<IReadOnlyList<JsonObject>, IReadOnlyList<double>> ask) =>
            responses => run.Ranks.FromFirst<double[]>($"reward {settings.Label}", () => [.. ask(responses)]);
    }

    private static RewardTerm Outside(RewardTermSettings settings, Func<IReadOnlyList<JsonObject>, IReadOnlyList<double>> ask, IDisposable? owned) =>
        settings.Sees == RewardView.Output
            ? new OfOutput(settings.Label, settings.Weight, inputs => ask([.. inputs.Select(Json)]), owned)
            : new OfScratchpad(
                settings.Label,
                settings.Weight,
                inputs =>
                    ask([
                        .. inputs.Select(i =>
                        {
                            var json = Json(i.Output);
                            json["scratchpad"] = i.Scratchpad;
                            return json;
                        }),
                    ]),
                owned
            );

    private static JsonObject Json(RewardInput input) =>
        new()
        {
            ["user"] = input.UserText,
            ["output"] = input.Output,
            ["format_problem"] = input.FormatProblem,
        };

    /// <summary>Probability of the answer; 0 where there is no output to ask about, or no verdict: neither is to pay.</summary>
    private static double[] Judged(IJudge judge, IReadOnlyList<RewardInput> inputs, bool no, CancellationToken cancellation)
    {
        var values = new double[inputs.Count];
        int[] readable = [.. Enumerable.Range(0, inputs.Count).Where(i => inputs[i] is { Output: not null, FormatProblem: null })];
        var answers = judge.Complies([.. readable.Select(i => inputs[i].Output!)], cancellation);
        for (var k = 0; k < readable.Length; k++)
            values[readable[k]] =
                answers[k].Kind != JudgeAnswerKind.Answered ? 0
                : no ? 1 - answers[k].Yes
                : answers[k].Yes;
        return values;
    }

    /// <summary>The scores of an outside reward, checked.</summary>
    /// <exception cref="HarnessException">Not one finite number for each response.</exception>
    internal static double[] Checked(string source, IReadOnlyList<JsonNode?> scores, int expected)
    {
        if (scores.Count != expected)
            throw HarnessException.BadFile(source, "a reward gave another number of scores", $"{scores.Count}", $"{expected}, one for each response");
        return
        [
            .. scores.Select(
                (s, i) =>
                    s is JsonValue value && value.TryGetValue<double>(out var number) && double.IsFinite(number)
                        ? number
                        : throw HarnessException.BadFile(source, $"score {i} of a reward is no finite number", s?.ToJsonString() ?? "null", "a number")
            ),
        ];
    }
}

/// <summary>
/// A reward behind an address. It is posted <c>{"responses": [{"user", "output", "format_problem"}]}</c>, with <c>scratchpad</c> in each where the term
/// asked for it, and answers <c>{"scores": [number, …]}</c> in their order.
/// </summary>
internal sealed class RewardService(RewardTermSettings settings, CancellationToken cancellation) : IDisposable
{
    private const string Expected = "{\"scores\": [number, …]}";

    private readonly ServiceCalls _calls = new(
        "the reward's service",
        $"status 200 and {Expected}",
        "mend the service; resume goes on from the newest checkpoint",
        settings.TimeoutSeconds,
        settings.Retries,
        cancellation
    );

    public IReadOnlyList<double> Ask(IReadOnlyList<JsonObject> responses)
    {
        var answer = _calls.Json(HttpMethod.Post, settings.Endpoint!, new() { ["responses"] = new JsonArray([.. responses]) });
        return answer["scores"] is JsonArray scores
            ? RewardTerm.Checked(settings.Endpoint!, [.. scores], responses.Count)
            : throw HarnessException.BadFile(settings.Endpoint!, "a reward's answer has no scores", ServiceCalls.Quoted(answer.ToJsonString()), Expected);
    }

    public void Dispose() => _calls.Dispose();
}

/// <summary>
/// A reward that a program gives. For each batch it is started once, without a shell, reads one JSON object a line and writes <c>{"score": number}</c> a line
/// in their order. What a model said reaches it as data on its standard input, and in no other way.
/// </summary>
internal static class RewardProgram
{
    public static IReadOnlyList<double> Ask(RewardTermSettings settings, IReadOnlyList<JsonObject> responses, CancellationToken cancellation)
    {
        var name = settings.Command[0];
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(TimeSpan.FromSeconds(settings.TimeoutSeconds));
        using var process = Start(settings.Command);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var error = process.StandardError.ReadToEndAsync(limit.Token);
            Write(process, responses);
            process.WaitForExitAsync(limit.Token).GetAwaiter().GetResult();
            var (text, said) = (output.GetAwaiter().GetResult(), error.GetAwaiter().GetResult().Trim());
            // Ctrl-C, and what Slurm sends to a step, reach this child as well, which may end before this process has heard of it.
            if (process.ExitCode != 0 && cancellation.WaitHandle.WaitOne(TimeSpan.FromSeconds(1)))
                cancellation.ThrowIfCancellationRequested();
            if (process.ExitCode != 0)
                throw new HarnessException(
                    ErrorKind.Resource,
                    $"the reward's program {name} failed",
                    $"exit code {process.ExitCode}{(said.Length > 0 ? $": {said[..Math.Min(said.Length, 500)]}" : "")}",
                    "exit code 0",
                    "mend the program; resume goes on from the newest checkpoint"
                );
            return RewardTerm.Checked(
                name,
                [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select((line, i) => Score(name, line, i))],
                responses.Count
            );
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new HarnessException(
                ErrorKind.Resource,
                $"the reward's program {name} did not end",
                string.Create(CultureInfo.InvariantCulture, $"{settings.TimeoutSeconds} s"),
                "an answer within timeout_seconds",
                "raise timeout_seconds, or mend the program; resume goes on from the newest checkpoint"
            );
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }

    private static Process Start(IReadOnlyList<string> command)
    {
        var start = new ProcessStartInfo(command[0], command.Skip(1))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardInputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false),
            StandardOutputEncoding = Encoding.UTF8,
        };
        try
        {
            return Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new HarnessException(
                ErrorKind.Resource,
                $"the reward's program {command[0]} can't be started",
                e.Message,
                "a program that this user may run",
                "set the command of the reward's term to its path",
                e
            );
        }
    }

    private static void Write(Process process, IReadOnlyList<JsonObject> responses)
    {
        try
        {
            foreach (var response in responses)
                process.StandardInput.WriteLine(response.ToJsonString());
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // The program ended before it read everything: its exit code or its scores say so.
        }
    }

    private static JsonNode? Score(string name, string line, int at)
    {
        try
        {
            return JsonObject.Create(TextFile.ParseJson(Encoding.UTF8.GetBytes(line)))?["score"];
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw HarnessException.BadFile(
                name,
                $"line {at + 1} of a reward's program is not a JSON object",
                line[..Math.Min(line.Length, 200)],
                "{\"score\": number}"
            );
        }
    }
}
