using System.CommandLine;
using System.Globalization;
using RlHarness.Cli.Terminal;
using RlHarness.Core.Errors;
using RlHarness.Core.Runs;
using RlHarness.Models.Loading;
using RlHarness.Models.Native;
using RlHarness.Recipes.Reading;
using RlHarness.Serving.Answering;
using RlHarness.Serving.Http;

namespace RlHarness.Cli.Commands;

internal static class ServeCommand
{
    private static readonly Argument<string> Model = new("model")
    {
        Description = "A Hugging Face folder, a GGUF file, or a run's folder; RUN@STEP means its RL checkpoint of that step, RUN@0 the model before RL.",
    };
    private static readonly Option<string?> Adapter = new("--adapter") { Description = "A LoRA adapter over the model: a folder in PEFT's format." };
    private static readonly Option<string?> Name = new("--name") { Description = "What clients call the model; left out: the last part of its path." };
    private static readonly Option<int> Port = new("--port") { Description = "0 takes one that is free.", DefaultValueFactory = _ => 8000 };
    private static readonly Option<string> Host = new("--host")
    {
        Description = "Address to listen at. Anything but loopback lets other machines in, who need the token, which is sent in the clear.",
        DefaultValueFactory = _ => "127.0.0.1",
    };
    private static readonly Option<string?> Token = new("--token") { Description = "What clients have to show; left out: a new one, which is printed." };
    private static readonly Option<int> Threads = Options.Threads();
    private static readonly Option<int> Batch = new("--batch") { Description = "Answers generated together; 1 to 4096.", DefaultValueFactory = _ => 64 };
    private static readonly Option<int> Queue = new("--queue")
    {
        Description = "Answers that may wait; beyond them clients get status 429. 0 to 100000.",
        DefaultValueFactory = _ => 256,
    };
    private static readonly Option<int> MaxNewTokens = new("--max-new-tokens")
    {
        Description = "Tokens of an answer, at most; 1 to 1000000.",
        DefaultValueFactory = _ => 4096,
    };
    private static readonly Option<int> MaxBody = new("--max-body")
    {
        Description = "KiB of a request, at most; 1 to 1000000.",
        DefaultValueFactory = _ => 4096,
    };

    private static readonly Option<string?> WeightsFrom = new("--weights-from")
    {
        Description = "Lets clients name folders below this one whose weights are served from then on (/update_weights_from_disk); left out: none.",
    };

    internal static Command Create()
    {
        var (device, precision) = (Options.Device(), Options.Precision());
        var command = new Command(
            "serve",
            "Answer OpenAI's protocol with a model: /v1/chat/completions, /v1/completions, /v1/models (docs/serving.md). Of a run, NAME:training and "
                + "NAME:unmonitored add that tier's system prompt. The same prompt and seed give the answers of `generate`. Ctrl-C and SIGTERM end it.\n\n"
                + "Examples:\n  rlharness serve checkpoints/quickstart\n  rlharness serve checkpoints/quickstart@20 --port 8001 --token secret\n  "
                + "rlharness serve model.gguf --host 0.0.0.0 --batch 16"
        )
        {
            Model,
            Adapter,
            Name,
            Port,
            Host,
            Token,
            Threads,
            Batch,
            Queue,
            MaxNewTokens,
            MaxBody,
            WeightsFrom,
            device,
            precision,
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
        var server = new ServerOptions
        {
            Host = parsed.GetValue(Host)!,
            Port = Options.Within("--port", parsed.GetValue(Port), 0, 65535),
            Token = Sendable(parsed.GetValue(Token) ?? ServerOptions.NewToken()),
            MaxBody = 1024L * Options.Within("--max-body", parsed.GetValue(MaxBody), 1, 1_000_000),
        };
        var options = new ModelServerOptions
        {
            Name = "",
            Batch = Options.Within("--batch", parsed.GetValue(Batch), 1, 4096),
            Queue = Options.Within("--queue", parsed.GetValue(Queue), 0, 100_000),
            MaxNewTokens = Options.Within("--max-new-tokens", parsed.GetValue(MaxNewTokens), 1, 1_000_000),
        };
        Options.UseThreads(parsed.GetValue(Threads));
        var (path, step) = Split(parsed.GetValue(Model)!);
        // Before RL a run's model is what imitation tuning made.
        using var opened =
            step == 0 && RunModel.IsRun(path) ? RunModel.Open(Path.Combine(path, "imitate"), device, type) : RunModel.Open(path, device, type, step);
        if (parsed.GetValue(Adapter) is { } adapter)
        {
            if (opened.Model.Decoder.Adapters is not null)
                throw new HarnessException(
                    ErrorKind.BadInput,
                    "--adapter: the model has an adapter already",
                    opened.Path,
                    "a model without one",
                    "merge it first: model convert --adapter"
                );
            opened.Model.Decoder.Adapters = LoraFolder.Load(adapter, opened.Model.Decoder);
        }

        if (parsed.GetValue(WeightsFrom) is { } below)
            options = options with { Load = folder => ModelLoader.Load(Below(below, folder), device, withTokenizer: false) };
        options = options with { Name = parsed.GetValue(Name) ?? RunFolder.NameOf(path) + (step is { } at ? $"@{at}" : "") };
        if (RunModel.IsRun(path))
            options = options with
            {
                Clock = RunPrompt.Clock(path),
                Tiers = RunPrompt
                    .Tiers(path)
                    .ToDictionary(
                        t => t,
                        t =>
                        {
                            var (system, start, _) = RunPrompt.Of(path, t);
                            return (system, start);
                        }
                    ),
            };
        return ServeAsync(opened, options, server, parsed.GetValue(Token) is null, cancellation).GetAwaiter().GetResult();
    }

    private static async Task<int> ServeAsync(
        RunModel.Opened opened,
        ModelServerOptions options,
        ServerOptions server,
        bool isNewToken,
        CancellationToken cancellation
    )
    {
        await using var running = await ModelServer.StartAsync(opened.Model, options, server).ConfigureAwait(false);
        Console.WriteLine($"{opened.Path}{(opened.Step is { } step ? $", step {step}" : "")}");
        Console.WriteLine($"models   {string.Join(", ", running.Names)}");
        Console.WriteLine($"address  {running.Address}v1");
        Console.WriteLine(isNewToken ? $"token    {server.Token}" : "token    as given");
        await WaitAsync(cancellation).ConfigureAwait(false);
        Console.Error.WriteLine("stopping: answers in hand have five seconds");
        await running.DisposeAsync().ConfigureAwait(false);
        var (answers, tokens) = running.Given;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{answers} answers, {tokens} tokens"));
        return 0;
    }

    /// <exception cref="HarnessException">The folder is elsewhere.</exception>
    private static string Below(string allowed, string folder)
    {
        var (root, path) = (Path.GetFullPath(allowed), Path.GetFullPath(folder));
        return path.StartsWith(root.TrimEnd(Path.DirectorySeparatorChar) + Path.DirectorySeparatorChar, StringComparison.Ordinal)
            ? path
            : throw new HarnessException(ErrorKind.BadInput, "model_path is not among the folders that may be served", path, $"a folder below {root}");
    }

    /// <exception cref="HarnessException">A header can't hold the token.</exception>
    internal static string Sendable(string token) =>
        token.Length > 0 && token.All(c => c is >= '!' and <= '~')
            ? token
            : throw new HarnessException(ErrorKind.BadInput, "--token can't be sent", "nothing, a blank or another character", "visible ASCII characters");

    /// <summary>Returns when a signal came.</summary>
    internal static Task WaitAsync(CancellationToken cancellation)
    {
        var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        cancellation.Register(() => stopped.TrySetResult());
        return stopped.Task;
    }

    /// <summary>RUN@STEP in its parts; a path that is there as it is written has none.</summary>
    private static (string Path, int? Step) Split(string model)
    {
        var at = model.LastIndexOf('@');
        return at > 0 && !Path.Exists(model) && int.TryParse(model[(at + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var step)
            ? (model[..at], step)
            : (model, null);
    }
}
