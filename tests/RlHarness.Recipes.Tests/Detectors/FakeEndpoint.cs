using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace RlHarness.Recipes.Tests.Detectors;

/// <summary>
/// A service on this machine that speaks as much of OpenAI's chat completions as the judge needs. It is told what to answer, and keeps what it was
/// asked.
/// </summary>
internal sealed class FakeEndpoint : IDisposable
{
    private readonly LocalService _service;
    private readonly Func<string, int, (int Status, string Body)> _answer;

    /// <param name="answer">Status and body from the user's message and the number of the call.</param>
    public FakeEndpoint(Func<string, int, (int Status, string Body)> answer) => (_answer, _service) = (answer, new(Serve));

    public string Address => _service.Address;

    public List<(string Authorization, JsonElement Body)> Calls { get; } = [];

    /// <summary>What the header Retry-After says; null: it is not there.</summary>
    public string? RetryAfter { get; init; }

    public void Dispose() => _service.Dispose();

    public static (int, string) Says(string content, string finish = "stop", string? refusal = null, object? logprobs = null) =>
        (
            200,
            JsonSerializer.Serialize(
                new
                {
                    id = "x",
                    @object = "chat.completion",
                    created = 1,
                    model = "fake",
                    choices = new[]
                    {
                        new
                        {
                            index = 0,
                            message = new
                            {
                                role = "assistant",
                                content,
                                refusal,
                            },
                            finish_reason = finish,
                            logprobs,
                        },
                    },
                    usage = new
                    {
                        prompt_tokens = 100,
                        completion_tokens = 1,
                        total_tokens = 101,
                    },
                }
            )
        );

    private (int, string) Serve(HttpListenerContext context, string text)
    {
        var body = JsonDocument.Parse(text).RootElement;
        var content = body.GetProperty("messages")[1].GetProperty("content");
        var user = content.ValueKind == JsonValueKind.String ? content.GetString()! : content[0].GetProperty("text").GetString()!;
        Calls.Add((context.Request.Headers["Authorization"] ?? "", body));
        if (RetryAfter is not null)
            context.Response.Headers["Retry-After"] = RetryAfter;
        context.Response.ContentType = "application/json";
        return _answer(user, Calls.Count);
    }
}

/// <summary>A service on this machine that is posted JSON, answers what it is told to, and keeps what it was sent.</summary>
internal sealed class FakeService : IDisposable
{
    private readonly LocalService _service;

    /// <param name="answer">Status and body from the posted JSON and the number of the call.</param>
    public FakeService(Func<JsonElement, int, (int Status, string Body)> answer) =>
        _service = new(
            (_, text) =>
            {
                Calls.Add(JsonDocument.Parse(text).RootElement);
                return answer(Calls[^1], Calls.Count);
            }
        );

    public string Address => _service.Address;

    public List<JsonElement> Calls { get; } = [];

    public void Dispose() => _service.Dispose();
}

/// <summary>Answers requests on a free port of this machine, one after another.</summary>
internal sealed class LocalService : IDisposable
{
    private readonly HttpListener _listener = new();

    /// <param name="answer">Status and body from a request and its text.</param>
    public LocalService(Func<HttpListenerContext, string, (int Status, string Body)> answer)
    {
        using (var probe = new TcpListener(IPAddress.Loopback, 0))
        {
            probe.Start();
            Address = $"http://127.0.0.1:{((IPEndPoint)probe.LocalEndpoint).Port}/";
        }

        _listener.Prefixes.Add(Address);
        _listener.Start();
        _ = Task.Run(async () =>
        {
            while (true)
            {
                HttpListenerContext context;
                try
                {
                    context = await _listener.GetContextAsync();
                }
                catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
                {
                    return;
                }

                // A client that went away takes its own request with it, and no other.
                try
                {
                    var (status, body) = answer(context, await new StreamReader(context.Request.InputStream).ReadToEndAsync());
                    context.Response.StatusCode = status;
                    await context.Response.OutputStream.WriteAsync(Encoding.UTF8.GetBytes(body));
                    context.Response.Close();
                }
                catch (Exception e) when (e is HttpListenerException or ObjectDisposedException or IOException)
                {
                    context.Response.Abort();
                }
            }
        });
    }

    public string Address { get; }

    public void Dispose() => _listener.Close();
}
