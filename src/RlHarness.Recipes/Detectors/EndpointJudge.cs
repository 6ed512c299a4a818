using System.ClientModel;
using System.ClientModel.Primitives;
using System.Globalization;
using OpenAI;
using OpenAI.Chat;
using RlHarness.Core.Errors;
using RlHarness.Core.Settings;
using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Transcripts;
using RlHarness.Recipes.Settings;

namespace RlHarness.Recipes.Detectors;

/// <summary>
/// A judge behind an endpoint that speaks OpenAI's chat completions. Answers are kept by content, so that a label costs once and is the same again; failed
/// calls are tried again with growing waits; refusals and answers that are neither yes nor no are classes of their own.
/// </summary>
internal sealed class EndpointJudge : IJudge
{
    private readonly DetectorSettings _settings;
    private readonly Rubric _rubric;
    private readonly ChatClient _client;
    private readonly AnswerCache _cache;
    private readonly JudgeCounter _counter;

    /// <exception cref="HarnessException">The environment variable that is to hold the key is empty.</exception>
    public EndpointJudge(DetectorSettings settings, Rubric? ofPack = null)
    {
        ArgumentNullException.ThrowIfNull(settings);
        _settings = settings;
        _rubric = settings.Rubric is { } file ? Rubric.Load(file) : ofPack ?? Rubric.Default;
        _cache = new(settings.Cache);
        _counter = new(settings.PriceInput, settings.PriceOutput);
        var key = settings.KeyVariable == "none" ? "none" : Environment.GetEnvironmentVariable(settings.KeyVariable);
        if (string.IsNullOrEmpty(key))
            throw new HarnessException(
                ErrorKind.BadInput,
                $"no key for the judge at {settings.Endpoint}",
                $"the environment variable {settings.KeyVariable} is empty",
                "the key of the service",
                "set the variable, or key_variable: none for a service without keys"
            );
        _client = new ChatClient(
            settings.Model!,
            new ApiKeyCredential(key),
            new OpenAIClientOptions
            {
                Endpoint = new Uri(settings.Endpoint!),
                RetryPolicy = new BackOff(settings.Retries, settings.RetrySeconds),
                NetworkTimeout = TimeSpan.FromSeconds(settings.TimeoutSeconds),
            }
        );
        Version =
            "1-"
            + SettingsWriter.Hash(
                settings.Endpoint!,
                settings.Model!,
                Rubric.System,
                _rubric.Reasoning,
                _rubric.Compliance,
                settings.Threshold.ToString("R", CultureInfo.InvariantCulture),
                settings.Votes.ToString(CultureInfo.InvariantCulture)
            )[..12];
    }

    public string Name => _settings.Label;

    public string Version { get; }

    public JudgeUsage Usage => _counter.Usage;

    public DetectorLabel Label(ParsedResponse response) => LabelAll([response])[0];

    public IReadOnlyList<DetectorLabel> LabelAll(IReadOnlyList<ParsedResponse> responses, CancellationToken cancellation = default)
    {
        var labels = new DetectorLabel[responses.Count];
        var options = new ParallelOptions { MaxDegreeOfParallelism = _settings.Concurrency, CancellationToken = cancellation };
        try
        {
            Parallel.For(0, responses.Count, options, i =>
            {
                var r = responses[i];
                labels[i] = JudgeLabels.Asks(r)
                    ? JudgeLabels.Of(r, Ask(_rubric.Reasoning, r, cancellation), Ask(_rubric.Compliance, r, cancellation), _settings.Threshold)
                    : JudgeLabels.Broken(r);
            });
        }
        catch (AggregateException e) when (e.InnerExceptions.OfType<HarnessException>().FirstOrDefault() is { } first)
        {
            throw first;
        }

        return labels;
    }

    private JudgeAnswer Ask(string question, ParsedResponse response, CancellationToken cancellation)
    {
        var text = Rubric.Ask(question, response.Reasoning ?? "", response.Output!);
        if (_settings.Votes == 0)
            return One(text, 0, cancellation);
        var votes = Enumerable.Range(0, _settings.Votes).Select(v => One(text, v, cancellation)).ToArray();
        var read = votes.Where(v => v.Kind == JudgeAnswerKind.Answered).Select(v => v.Yes >= 0.5 ? 1.0 : 0).ToArray();
        return read.Length > 0 ? JudgeAnswer.Of(read.Average())
            : votes.Any(v => v.Kind == JudgeAnswerKind.Refused) ? JudgeAnswer.Refused
            : JudgeAnswer.Unparsable;
    }

    private JudgeAnswer One(string text, int vote, CancellationToken cancellation)
    {
        var wantsLogprobs = _settings.Logprobs && _settings.Votes == 0;
        var key = SettingsWriter.Hash(
            _settings.Endpoint!,
            _settings.Model!,
            Rubric.System,
            text,
            wantsLogprobs ? "logprobs" : "text",
            _settings.Votes == 0 ? "0" : $"vote {vote}"
        );
        if (_cache.Find(key) is { } kept)
        {
            _counter.Add(kept.ToAnswer(), 0, 0, cached: true);
            return kept.ToAnswer();
        }

        var options = new ChatCompletionOptions { MaxOutputTokenCount = 8, Temperature = _settings.Votes == 0 ? 0 : 1 };
        if (wantsLogprobs)
            (options.IncludeLogProbabilities, options.TopLogProbabilityCount) = (true, 20);
        ChatCompletion completion;
        try
        {
            completion = _client.CompleteChat([new SystemChatMessage(Rubric.System), new UserChatMessage(text)], options, cancellation).Value;
        }
        catch (Exception e) when (e is ClientResultException or HttpRequestException or AggregateException)
        {
            throw new HarnessException(
                ErrorKind.Resource,
                $"the judge at {_settings.Endpoint} does not answer",
                FirstLine(e),
                $"an answer within {_settings.Retries + 1} tries",
                "mend the service or its key; answers so far are kept, and resume or eval goes on",
                e
            );
        }

        var answer = Read(completion);
        _cache.Keep(
            key,
            AnswerCache.Entry.Of(
                answer,
                completion.Content.Count > 0 ? completion.Content[0].Text : "",
                completion.Usage?.InputTokenCount ?? 0,
                completion.Usage?.OutputTokenCount ?? 0
            )
        );
        _counter.Add(answer, completion.Usage?.InputTokenCount ?? 0, completion.Usage?.OutputTokenCount ?? 0, cached: false);
        return answer;
    }

    private static JudgeAnswer Read(ChatCompletion completion)
    {
        if (completion.FinishReason == ChatFinishReason.ContentFilter || !string.IsNullOrEmpty(completion.Refusal))
            return JudgeAnswer.Refused;
        var first = completion.ContentTokenLogProbabilities.Count > 0 ? completion.ContentTokenLogProbabilities[0] : null;
        if (first is not null)
        {
            double Mass(double said) => first.TopLogProbabilities.Where(t => JudgeAnswer.Read(t.Token) == said).Sum(t => Math.Exp(t.LogProbability));
            var (yes, no) = (Mass(1), Mass(0));
            if (yes + no > 1e-3)
                return JudgeAnswer.Of(yes / (yes + no));
        }

        var text = string.Concat(completion.Content.Select(c => c.Text));
        return JudgeAnswer.Read(text) is { } word ? JudgeAnswer.Of(word) : JudgeAnswer.Unparsable;
    }

    private static string FirstLine(Exception e) => (e is AggregateException a ? a.InnerExceptions[^1] : e).Message.Split('\n')[0].Trim();

    /// <summary>
    /// The library's own policy (which tries again after 408, 429, 5xx and broken connections, and heeds Retry-After) with a first wait of the
    /// settings.
    /// </summary>
    private sealed class BackOff(int retries, double seconds) : ClientRetryPolicy(retries)
    {
        protected override TimeSpan GetNextDelay(PipelineMessage message, int tryCount)
        {
            if (message.Response?.Headers.TryGetValue("Retry-After", out _) == true)
                return base.GetNextDelay(message, tryCount);
            return TimeSpan.FromSeconds(seconds * Math.Pow(2, Math.Max(0, tryCount - 1)));
        }
    }
}
