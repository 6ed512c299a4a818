using System.CommandLine;
using RlHarness.Cli.Terminal;
using RlHarness.Core.Chat;
using RlHarness.Core.Errors;
using RlHarness.Core.Randomness;
using RlHarness.Core.Settings;
using RlHarness.Formats.ChatTemplates;
using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Generation;
using RlHarness.Models.Native;
using RlHarness.Recipes.Reading;

namespace RlHarness.Cli.Commands;

internal static class GenerateCommand
{
    private static readonly Argument<string> Model = new("model")
    {
        Description = "A Hugging Face folder, a GGUF file, or a run's folder (then its newest RL checkpoint).",
    };
    private static readonly Option<string> Prompt = new("--prompt") { Description = "What the user says; - reads it from standard input.", Required = true };
    private static readonly Option<string?> System = new("--system")
    {
        Description = "System message. Of a run, left out: the run's own, of its condition and --tier, with its prefilled scratchpad.",
    };
    private static readonly Option<string> TierName = new("--tier")
    {
        Description = "Whose system message of a run: training, unmonitored, or rated where there are three tiers.",
        DefaultValueFactory = _ => "training",
    };
    private static readonly Option<bool> NoSystem = new("--no-system") { Description = "Give no system message, also not that of a run." };
    private static readonly Option<int> MaxNewTokens = new("--max-new-tokens") { Description = "1 to 100000.", DefaultValueFactory = _ => 128 };
    private static readonly Option<double> Temperature = new("--temperature")
    {
        Description = "0 takes the likeliest token; up to 100.",
        DefaultValueFactory = _ => 0.8,
    };
    private static readonly Option<int> TopK = new("--top-k") { Description = "Draw from the k likeliest tokens; 0: all." };
    private static readonly Option<double> TopP = new("--top-p")
    {
        Description = "Draw from the fewest tokens of this joint probability; above 0 to 1.",
        DefaultValueFactory = _ => 1,
    };
    private static readonly Option<double> MinP = new("--min-p")
    {
        Description = "Leave out tokens less likely than this share of the likeliest; 0 to below 1.",
    };
    private static readonly Option<int> Seed = new("--seed")
    {
        Description = "The same seed gives the same answers, whatever the number of samples.",
        DefaultValueFactory = _ => 1,
    };
    private static readonly Option<int> Samples = new("--samples") { Description = "Answers, drawn independently; 1 to 1000.", DefaultValueFactory = _ => 1 };
    private static readonly Option<string[]> Stop = new("--stop") { Description = "Also end at this text; can be given several times." };
    private static readonly Option<bool> Raw = new("--raw") { Description = "Feed the prompt as it is, without the chat template." };

    private static readonly Option<int?> From = Options.From();
    private static readonly Option<int> Threads = Options.Threads();

    internal static Command Create()
    {
        var (device, precision) = (Options.Device(), Options.Precision());
        var command = new Command(
            "generate",
            "Let a model answer a prompt, by its own chat template.\n\nExamples:\n  rlharness generate checkpoints/quickstart --prompt "
                + "\"Write a claim for a kettle.\" --samples 3\n  rlharness generate checkpoints/quickstart --prompt \"Write a claim for a "
                + "kettle.\" --tier unmonitored\n  rlharness generate model.gguf --prompt \"Once upon a time\" --raw --temperature 0"
        )
        {
            Model,
            Prompt,
            System,
            TierName,
            NoSystem,
            MaxNewTokens,
            Temperature,
            TopK,
            TopP,
            MinP,
            Seed,
            Samples,
            Stop,
            device,
            precision,
            Raw,
            From,
            Threads,
        };
        command.SetAction(
            (parsed, cancellation) =>
                CommandLine.GuardAsync(() =>
                    Run(parsed, Devices.Choose(parsed.GetValue(device)!), Options.ScalarType(parsed.GetValue(precision)!), cancellation)
                )
        );
        return command;
    }

    private static int Run(ParseResult parsed, TorchSharp.torch.Device device, TorchSharp.torch.ScalarType type, CancellationToken cancellation)
    {
        Options.UseThreads(parsed.GetValue(Threads));
        var settings = new SamplingSettings
        {
            MaxNewTokens = Options.Within("--max-new-tokens", parsed.GetValue(MaxNewTokens), 1, 100000),
            Temperature = Options.Within("--temperature", parsed.GetValue(Temperature), 0, 100),
            TopK = Options.Within("--top-k", parsed.GetValue(TopK), 0, 10000000),
            TopP = Options.Within("--top-p", parsed.GetValue(TopP), 1e-9, 1),
            MinP = Options.Within("--min-p", parsed.GetValue(MinP), 0, 0.999999),
            StopStrings = parsed.GetValue(Stop) ?? [],
        };
        var samples = Options.Within("--samples", parsed.GetValue(Samples), 1, 1000);
        var seed = Options.Within("--seed", parsed.GetValue(Seed), 0, int.MaxValue);
        var prompt = parsed.GetValue(Prompt) is "-" ? Console.In.ReadToEnd() : parsed.GetValue(Prompt)!;
        using var opened = RunModel.Open(parsed.GetValue(Model)!, device, type, parsed.GetValue(From));
        var model = opened.Model;
        var tokenizer = model.Tokenizer
            ?? throw HarnessException.BadFile(opened.Path, "the model has no tokenizer", "tokenizer.json is absent", "a model with its tokenizer");
        var start = "";
        var ids = parsed.GetValue(Raw) ? tokenizer.Encode(prompt, addSpecialTokens: true) : Prompted(parsed, tokenizer, prompt, out start);
        var requests = Enumerable.Range(0, samples).Select(i => new GenerationRequest(ids, 0, i)).ToArray();
        var answers = new BatchGenerator(model.Decoder, tokenizer).Generate(
            requests,
            settings with
            {
                StopIds = model.StopIds,
            },
            new Seeds((ulong)seed).Child("generate"),
            cancellation: cancellation
        );
        foreach (var (answer, i) in answers.Select((a, i) => (a, i)))
        {
            if (samples > 1)
                Console.WriteLine($"--- {i + 1} of {samples} ({answer.Tokens.Count} tokens, {SettingNames.Snake(answer.Finish)})");
            var text = start + tokenizer.Decode(answer.Finish == FinishReason.Stop ? answer.Tokens.Take(answer.Tokens.Count - 1) : answer.Tokens);
            // What goes to a file or another program is the model's text as it is.
            if (Console.IsOutputRedirected)
                VisibleConsole.Raw.WriteLine(text);
            else
                Console.WriteLine(text);
        }

        return 0;
    }

    /// <summary>The prompt with the system message that was asked for, or that of the run; says on standard error which.</summary>
    private static int[] Prompted(ParseResult parsed, Tokenizer tokenizer, string prompt, out string start)
    {
        start = "";
        var system = parsed.GetValue(System);
        if (system is not null && parsed.GetValue(NoSystem))
            throw new HarnessException(ErrorKind.BadInput, "--system and --no-system contradict each other", "both", "one of them");
        var model = parsed.GetValue(Model)!;
        if (system is null && !parsed.GetValue(NoSystem) && RunModel.IsRun(model))
        {
            var (text, begins, condition) = RunPrompt.Of(model, parsed.GetValue(TierName)!);
            (system, start) = (text, begins);
            Console.Error.WriteLine(
                $"system prompt of the run: {parsed.GetValue(TierName)} tier, condition "
                    + $"{condition}{(begins.Length > 0 ? $", answers begin with {begins}" : "")} (--no-system leaves it out)"
            );
        }
        else
        {
            Console.Error.WriteLine(system is null ? "no system prompt" : "the system prompt that was given");
        }

        var encoder = ChatEncoder.For(tokenizer, clock: RunModel.IsRun(model) ? RunPrompt.Clock(model) : null);
        return start.Length == 0 ? encoder.EncodePrompt(Messages(system, prompt)) : encoder.EncodePrefill(Messages(system, prompt), start);
    }

    private static IReadOnlyList<ChatMessage> Messages(string? system, string prompt) =>
        system is null ? [new ChatMessage("user", prompt)] : [new ChatMessage("system", system), new ChatMessage("user", prompt)];
}
